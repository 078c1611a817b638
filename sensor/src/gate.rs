//! Whether probes may be attached: nobody has switched them off, and the crash guard has nothing against it.

use crate::guard::Guard;
use crate::off::Off;
use crate::switch::Switch;

/// Asked before attaching, and again and again while attached.
#[derive(Debug)]
pub struct Gate {
    switch: Switch,
    /// None: there is no folder to remember anything in.
    guard: Option<Guard>,
}

impl Gate {
    /// Of these two.
    #[must_use]
    pub const fn new(switch: Switch, guard: Option<Guard>) -> Self {
        Self { switch, guard }
    }

    /// Why probes may not be attached. Cheap: files are looked at every few seconds only.
    pub fn off(&mut self) -> Option<Off> {
        let guarded = |guard: &mut Guard| guard.off();
        self.switch
            .off()
            .or_else(|| self.guard.as_mut().and_then(guarded))
    }

    /// Probes are about to be attached.
    pub fn attaching(&mut self) {
        if let Some(guard) = &mut self.guard {
            guard.attaching();
        }
    }

    /// They are attached and all is well; to be said once a minute.
    pub fn beat(&mut self) {
        if let Some(guard) = &mut self.guard {
            guard.beat();
        }
    }

    /// They are detached.
    pub fn detached(&mut self) {
        if let Some(guard) = &mut self.guard {
            guard.detached();
        }
    }
}
