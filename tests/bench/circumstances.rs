//! When and where a part was measured, and what else the machine did meanwhile.

use std::{fmt, fs, process::Command, thread};

/// Before and after a measurement.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    text: String,
}

impl Circumstances {
    /// To be called before a measurement; [`Begun::end`] after it.
    pub(crate) fn begin() -> Begun {
        Begun {
            time: command("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            load: load(),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Self {
        Self {
            text: text.to_owned(),
        }
    }
}

impl fmt::Display for Circumstances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What was so when a measurement began.
#[derive(Debug)]
pub(crate) struct Begun {
    time: String,
    load: String,
}

impl Begun {
    /// The measurement is over.
    pub(crate) fn end(self) -> Circumstances {
        let kernel = command("uname", &["-srm"]);
        let cores = thread::available_parallelism().map_or(0, usize::from);
        let build = if cfg!(debug_assertions) {
            "unoptimised build"
        } else {
            "release build"
        };
        // Figures of a busy machine are not those of an idle one, so that is said too.
        Circumstances {
            text: format!(
                "{}, {kernel}, {cores} cores, {build}; load average of the last minute {} before and {} after.",
                self.time,
                self.load,
                load()
            ),
        }
    }
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn command(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}
