//! WiredFilters, as configured.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::breaker::Breaker;
use crate::agent::wiring::{Parts, WiringError};
use crate::config::FilterConfig;
use crate::mail::LineEnds;
use crate::sink::FilterStep;
use crate::sink::filter::ProgramFilter;
use crate::sink::mda::MdaSettings;
use crate::telemetry::Event;

/// The filters of the present configuration, by name.
#[derive(Default)]
pub(super) struct WiredFilters(BTreeMap<String, (FilterConfig, FilterStep)>);

impl WiredFilters {
    /// The filters of another configuration: one that did not change keeps its breaker.
    ///
    /// # Errors
    /// [`WiringError`] says which setting cannot be used.
    pub(super) fn next(
        &self,
        wanted: &BTreeMap<String, FilterConfig>,
        parts: &Parts,
        (probes_at_once, warns): (bool, bool),
    ) -> Result<Self, WiringError> {
        let mut next = BTreeMap::new();
        for (name, wanted) in wanted {
            let kept = self.0.get(name).filter(|(from, _)| from == wanted);
            let step = match kept {
                Some((_, step)) => step.clone(),
                None => wire(wanted, parts, (probes_at_once, warns))?,
            };
            next.insert(name.clone(), (wanted.clone(), step));
        }
        Ok(Self(next))
    }

    /// One of them.
    pub(super) fn get(&self, name: &str) -> Option<&FilterStep> {
        self.0.get(name).map(|(_, step)| step)
    }
}

fn wire(
    from: &FilterConfig,
    parts: &Parts,
    (probes_at_once, warns): (bool, bool),
) -> Result<FilterStep, WiringError> {
    let settings = MdaSettings {
        command: from.command.clone(),
        user: from.user.clone(),
        group: from.group.clone(),
        timeout: from.timeout,
        parallel: from.parallel,
        line_ends: LineEnds::Lf,
        from_line: false,
        delivered_to: false,
        exit_codes: from.exit_codes.clone(),
        environment: parts.children.clone(),
        helper: parts.helper.clone(),
        spool: parts.spool.clone(),
        clock: parts.clock.clone(),
        reporter: parts.reporter.clone(),
    };
    let filter = ProgramFilter::new(settings, from.replaces).map_err(|error| {
        let (name, words) = (from.name.clone(), error.to_string());
        WiringError::Filter { name, words }
    })?;
    for warning in filter.warnings().into_iter().filter(|_| warns) {
        parts.reporter.say(Event::Warning(warning));
    }
    // No delivery has a name with a colon.
    let name = format!("filter:{}", from.name);
    let now = probes_at_once.then(|| parts.clock.now());
    let breaker = Breaker::recalled(&name, parts.reporter.clone(), &parts.destinations, now);
    Ok(FilterStep::new(&name, Arc::new(filter), Arc::new(breaker)))
}
