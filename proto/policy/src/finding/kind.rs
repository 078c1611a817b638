//! The table of kinds. A further kind is one more entry here, and one more rule where it is looked for.

use super::Severity;

/// A kind of finding.
#[derive(Debug)]
pub struct Kind {
    /// Its word in output, columns and filters. Never changed: ids are made of it.
    pub class: &'static str,
    /// What it is about: `server`, `listener`, `host`.
    pub subject_kind: &'static str,
    /// How bad it is without any mark.
    pub severity: Severity,
    /// What happened and why it matters; `{subject}` is whom it is about.
    pub what: &'static str,
    /// What somebody has to decide.
    pub decide: &'static str,
    /// What can be true of a case beside.
    pub marks: &'static [Mark],
}

/// Something that is true of a case or not.
#[derive(Debug)]
pub struct Mark {
    /// Its word among the tags.
    pub tag: &'static str,
    /// It raises the severity by one step.
    pub raises: bool,
    /// A sentence for the text; empty: the tag is enough.
    pub text: &'static str,
}

const fn raises(tag: &'static str, text: &'static str) -> Mark {
    Mark {
        tag,
        raises: true,
        text,
    }
}

const fn says(tag: &'static str, text: &'static str) -> Mark {
    Mark {
        tag,
        raises: false,
        text,
    }
}

/// A server whose sessions neither pass an approved gateway nor are covered by an exception.
pub const SHADOW_SERVER: Kind = Kind {
    class: "shadow_server",
    subject_kind: "server",
    severity: Severity::Medium,
    what: "{subject} is used over MCP, and its sessions neither pass an approved gateway nor are covered by an \
           exception: nobody has approved what it can do, and no audit trail has its calls.",
    decide: "route it through a gateway, grant an exception that ends, or retire it.",
    marks: &[
        raises(
            "bypass",
            "It is reached round the gateway that fronts it: the gateway's rules and its log do not hold for these sessions.",
        ),
        raises(
            "remote",
            "It is on another host than its client: prompts and data leave the host.",
        ),
        raises(
            "exposed",
            "Other hosts can reach it: it listens beyond its own host, or a client on another host has used it.",
        ),
        raises("several_hosts", "It is in use on several hosts."),
        says(
            "exception_expired",
            "The exception that covered it has ended.",
        ),
        says(
            "no_gateway_configured",
            "The policy names no gateway yet, so that no session can be approved.",
        ),
        says(
            "path_not_listed",
            "It is reached through a gateway's address, on a path that the policy does not list.",
        ),
    ],
};

/// A listening socket on which MCP was seen and that other hosts can reach.
pub const EXPOSED_LISTENER: Kind = Kind {
    class: "exposed_listener",
    subject_kind: "listener",
    severity: Severity::Medium,
    what: "{subject} speaks MCP and can be reached from other hosts, unless a firewall that is not seen here \
           forbids it: whoever reaches it may call its tools.",
    decide: "bind it to loopback, put it behind a gateway, or name who may reach it.",
    marks: &[
        raises("any", "It is bound to every address of its host."),
        raises("public", "It is bound to a public address."),
    ],
};

/// A sensor that lost something of what it should have read.
pub const COVERAGE_LOST: Kind = Kind {
    class: "coverage_lost",
    subject_kind: "host",
    severity: Severity::Low,
    what: "The sensor of {subject} lost part of what it should have read in the last day, or does not read it now: the \
           inventory of this host may be too small. docs/losses.md says what each tag means.",
    decide: "give the sensor what it lacks (processor time, disk, the way to the collector), or accept the gap.",
    marks: &[
        raises("sessions_missing", "Whole sessions can be missing."),
        raises(
            "probes_off",
            "Its probes are off, by the kill switch or the crash guard: nothing is seen there until they are on again. The \
             host's coverage says why, and how.",
        ),
        says(
            "probe_detached",
            "Somebody other than the sensor detached one of its probes: the host's coverage says which.",
        ),
    ],
};

/// A sensor that has not been heard of.
pub const SENSOR_SILENT: Kind = Kind {
    class: "sensor_silent",
    subject_kind: "host",
    severity: Severity::Medium,
    what: "The sensor of {subject} has not been heard of for longer than sensors may be silent: what happens on \
           that host is not seen.",
    decide: "switch the host or its sensor on again, or take it out of service.",
    marks: &[],
};

/// Every kind there is.
pub const KINDS: [&Kind; 4] = [
    &SHADOW_SERVER,
    &EXPOSED_LISTENER,
    &COVERAGE_LOST,
    &SENSOR_SILENT,
];
