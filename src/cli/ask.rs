//! Asks the operator, and renders each response as it comes.

use std::time::Duration;

use crate::cli::exit::CommandFailure;
use crate::mail::limits;
use crate::operator::{Answer, Exit, Operator, Request, Response};

/// Sends one request and renders its responses. Returns the worst exit of all responses.
///
/// # Errors
/// Why the request was not answered to its end, or why `render` could not continue.
pub(super) async fn ask(
    operator: &Operator,
    request: Request,
    mut render: impl FnMut(Response) -> Result<(), CommandFailure>,
) -> Result<Exit, CommandFailure> {
    let (answer, mut responses) = Answer::new();
    let asked = async {
        // The answer ends when its sender is dropped.
        let answer = answer;
        operator.answer(request, &answer).await
    };
    let rendered = async move {
        let mut worst = Exit::Done;
        while let Some(response) = responses.recv().await {
            worst = worst.worst(response.exit());
            render(response)?;
        }
        Ok(worst)
    };
    match tokio::join!(asked, rendered) {
        (_, Err(failure)) => Err(failure),
        (Err(failure), Ok(_)) => Err(failure.into()),
        (Ok(()), Ok(worst)) => Ok(worst),
    }
}

/// Calls `work` with an operator, and closes what the operator opened.
///
/// # Errors
/// Exit 75 when the system starts no threads; an error of the store when it cannot be closed;
/// otherwise the errors of `work`.
pub(super) fn with<T>(
    operator: Operator,
    work: impl AsyncFnOnce(&Operator) -> Result<T, CommandFailure>,
) -> Result<T, CommandFailure> {
    block_on(async {
        let done = work(&operator).await;
        operator.close().await?;
        done
    })
}

/// Runs `work` on a runtime of its own.
///
/// # Errors
/// Exit 75 when the system starts no threads; otherwise the errors of `work`.
pub(super) fn block_on<T>(
    work: impl Future<Output = Result<T, CommandFailure>>,
) -> Result<T, CommandFailure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(limits::BLOCKING_THREADS_MAX)
        .build()
        .map_err(|error| CommandFailure::said(Exit::TempFail, format!("cannot start: {error}")))?;
    let done = runtime.block_on(work);
    // Wait for running threads only as long as an MDA takes to end. A thread that asks a name
    // server which never answers would block the exit for minutes.
    runtime.shutdown_timeout(Duration::from_secs(2 * limits::PROCESS_GRACE_SECONDS + 1));
    done
}
