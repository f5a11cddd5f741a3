//! Progress bars: one for each stage.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use migrate_core::{Estimate, Event, Observer};

/// Shows where each stage is.
pub(super) struct Progress {
    bars: MultiProgress,
    stages: Mutex<HashMap<String, ProgressBar>>,
}

impl Progress {
    pub(super) fn new(shown: bool) -> Arc<Self> {
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        Arc::new(Self { bars, stages: Mutex::default() })
    }

    /// Takes the bars away.
    pub(super) fn end(&self) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.drain().for_each(|(_, bar)| bar.finish_and_clear());
        let _ = self.bars.clear();
    }

    fn with(&self, stage: &str, change: impl FnOnce(&ProgressBar)) {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = stages.get(stage) {
            change(bar);
        }
    }

    fn quota(&self, share: f64) {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = stages.values().filter(|bar| !bar.is_finished());
        under_way.for_each(|bar| bar.set_message(format!("{:.0} % of the quota", 100.0 * share)));
    }

    fn begin(&self, stage: &str, estimate: Estimate, done: u64) {
        let (length, template) = match estimate {
            Estimate::Exactly(length) | Estimate::About(length) => (
                Some(length.max(done)),
                "{prefix:>10} [{bar:30}] {pos}/{len} {per_sec} {eta} left {msg}",
            ),
            _ => (None, "{prefix:>10} {spinner} {pos} {per_sec} {msg}"),
        };
        let bar = match length {
            Some(length) => ProgressBar::new(length),
            None => ProgressBar::new_spinner(),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        let bar = self.bars.add(bar);
        bar.set_prefix(stage.to_owned());
        bar.set_position(done);
        bar.enable_steady_tick(Duration::from_millis(200));
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = stages.insert(stage.to_owned(), bar) {
            old.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::StageBegun { stage, estimate, done } => self.begin(stage, *estimate, *done),
            Event::Settled { stage, .. } => self.with(stage, |bar| bar.inc(1)),
            Event::StageEnded { stage } => self.with(stage, |bar| bar.finish_with_message("done")),
            Event::Quota { share } => self.quota(*share),
            Event::StageHeld { stage, by } => {
                let _ = self.bars.println(format!("{stage} is held back by the queue of {by}"));
            }
            Event::Waiting { records, until } => {
                let text = format!(
                    "{records} records are in doubt or wait; looked at again at {}",
                    until.format("%H:%M:%S UTC")
                );
                let _ = self.bars.println(text);
            }
            _ => {}
        }
    }
}
