//! Where may a test stop us? Named points between the steps of the promise.
//!
//! Without the feature `fault-injection`, which only tests enable, a point does nothing. With it,
//! the variable `MAILFERRY_FAULT` names one point: `NAME:N` kills this process when it passes the
//! point for the N-th time, like a power cut; `NAME:N:error` makes that pass fail, like a dying
//! disk; `NAME:N:panic` panics there, like a bug; `NAME:N:hup` sends SIGHUP. `N+` means that pass
//! and all later ones. Passes are counted from the start of the process.

#[cfg(all(feature = "fault-injection", not(debug_assertions)))]
compile_error!(
    "a mailferry that can be told to kill itself is for tests: build releases without the feature \
     fault-injection"
);

#[cfg(feature = "fault-injection")]
pub(crate) use armed::{begun, fail, pass};
#[cfg(not(feature = "fault-injection"))]
pub(crate) use unarmed::{begun, fail, pass};

#[cfg(not(feature = "fault-injection"))]
mod unarmed {
    use std::io;

    /// A point at which a process may die.
    #[inline(always)]
    pub(crate) const fn pass(_: &str) {}

    /// A point at which a process may die, or at which the system may return an error.
    #[inline(always)]
    pub(crate) const fn fail(_: &str) -> io::Result<()> {
        Ok(())
    }

    /// A point that is passed when `work` has done what it can without waiting.
    #[inline(always)]
    pub(crate) const fn begun<F: Future>(_: &str, work: F) -> F {
        work
    }
}

#[cfg(feature = "fault-injection")]
mod armed {
    use std::future::poll_fn;
    use std::io;
    use std::pin::pin;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    /// The fault that the environment asks for.
    struct NamedFault {
        name: String,
        at: u64,
        and_after: bool,
        error: bool,
        panics: bool,
        hangs_up: bool,
        passed: AtomicU64,
    }

    static FAULT: LazyLock<Option<NamedFault>> = LazyLock::new(|| {
        let wish = std::env::var("MAILFERRY_FAULT").ok()?;
        let mut words = wish.split(':');
        let (name, at) = (words.next()?.to_owned(), words.next()?);
        let how = words.next();
        Some(NamedFault {
            name,
            at: at.trim_end_matches('+').parse().ok()?,
            and_after: at.ends_with('+'),
            error: how == Some("error"),
            panics: how == Some("panic"),
            hangs_up: how == Some("hup"),
            passed: AtomicU64::new(0),
        })
    });

    /// The fault to inject now.
    fn strikes(name: &str) -> Option<&'static NamedFault> {
        let fault = FAULT.as_ref().filter(|fault| fault.name == name)?;
        let passed = fault.passed.fetch_add(1, Ordering::SeqCst) + 1;
        (passed == fault.at || (fault.and_after && passed > fault.at)).then_some(fault)
    }

    fn die() -> ! {
        let _ = kill_process(getpid(), Signal::KILL);
        loop {
            std::thread::park();
        }
    }

    pub(crate) fn pass(name: &str) {
        match strikes(name) {
            #[allow(clippy::panic)]
            Some(fault) if fault.panics => panic!("injected: a bug"),
            Some(fault) if fault.hangs_up => {
                let _ = kill_process(getpid(), Signal::HUP);
            }
            Some(_) => die(),
            None => {}
        }
    }

    pub(crate) fn fail(name: &str) -> io::Result<()> {
        match strikes(name) {
            Some(fault) if fault.error => Err(io::Error::other("injected: the disk fails")),
            Some(_) => die(),
            None => Ok(()),
        }
    }

    pub(crate) async fn begun<F: Future>(name: &str, work: F) -> F::Output {
        let mut work = pin!(work);
        let mut told = name.is_empty();
        poll_fn(|context| {
            let polled = work.as_mut().poll(context);
            if polled.is_pending() && !std::mem::replace(&mut told, true) {
                pass(name);
            }
            polled
        })
        .await
    }
}
