//! Descriptors: each sensor and each question takes one, and systems give a process 1,024 to begin with.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// What is kept for everything but sensors: the API, ClickHouse, files.
const OTHERS: u64 = 1024;

/// Takes as many as this process may have, and says where they do not suffice for `streams_max` sensors.
/// Returns how many there are.
pub fn raise(streams_max: usize) -> u64 {
    let before = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    // Without a limit the kernel's own (fs.nr_open) is the most that it grants.
    let _ = setrlimit(Resource::Nofile, all);
    let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let wanted = u64::try_from(streams_max)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHERS);
    if now < wanted {
        warn!(
            descriptors = now,
            wanted,
            "fewer descriptors than ingest.streams_max needs: raise the limit (LimitNOFILE, ulimit -Hn) or lower the setting"
        );
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_there_are_is_taken() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let few = Rlimit {
            current: Some(256),
            maximum,
        };
        setrlimit(Resource::Nofile, few).expect("fewer are always granted");
        assert_eq!(raise(1), maximum.unwrap_or(u64::MAX));
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
    }
}
