//! TOML text to checked gateways and exceptions. docs/policy.md describes the file.

use std::collections::HashSet;

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostics, PolicyError, Warning};
use super::gateway::{Gateway, Upstream};
use super::sanction::Sanction;
use super::table::{Table, Text, shown};
use crate::address::{Authority, Network, Url};
use crate::pattern::Pattern;

/// Largest policy file taken.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Longest text for people (names, reasons, authors), in bytes: it is repeated in every verdict.
const TEXT_BYTES_MAX: usize = 1024;

const TOP_KEYS: &[&str] = &["version", "gateway", "sanction"];
const GATEWAY_KEYS: &[&str] = &[
    "name",
    "names",
    "addresses",
    "sources",
    "paths",
    "certificate_keys",
    "upstreams",
    "hosts",
    "users",
];
const SANCTION_KEYS: &[&str] = &[
    "servers", "hosts", "users", "reason", "author", "until", "bypass",
];

type Parsed = (Vec<Gateway>, Vec<Sanction>, Vec<Warning>);

/// Reads the whole file; all faults are found in one go.
pub(super) fn parse(
    text: &str,
    file: &str,
    now: OffsetDateTime,
) -> Result<Parsed, Vec<PolicyError>> {
    let mut to = Diagnostics::new(file, text);
    if text.len() > FILE_BYTES_MAX {
        let what = format!("the file is larger than {FILE_BYTES_MAX} bytes");
        to.error(
            &(0..0),
            what,
            "use patterns and networks instead of long lists",
        );
        return Err(to.errors);
    }
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let what = format!("not TOML: {}", error.message());
            to.error(&span, what, "correct the line");
            return Err(to.errors);
        }
    };
    let top = Table::new(root.get_ref(), 0..0, "the policy", TOP_KEYS, &mut to);
    check_version(&top, &mut to);
    let gateways = read_gateways(&top, &mut to);
    let sanctions: Vec<Sanction> = top
        .tables("sanction", SANCTION_KEYS, &mut to)
        .iter()
        .filter_map(|table| read_sanction(table, now, &mut to))
        .collect();
    if gateways.is_empty() && sanctions.is_empty() && !text.trim().is_empty() {
        to.warn(
            &(0..0),
            "no gateway and no exception: everything will be shadow".to_owned(),
            "add a [[gateway]] or a [[sanction]]",
        );
    }
    if to.errors.is_empty() {
        Ok((gateways, sanctions, to.warnings))
    } else {
        to.errors.sort_by_key(|e| (e.line, e.column));
        Err(to.errors)
    }
}

fn check_version(top: &Table<'_, '_>, to: &mut Diagnostics<'_>) {
    let Some(value) = top.value("version") else {
        return;
    };
    let known = matches!(value.get_ref(), DeValue::Integer(i) if i.as_str() == "1");
    if !known {
        let what = "this version of the file's shape is not known".to_owned();
        to.error(&value.span(), what, "write version = 1, or update Gnomon");
    }
}

fn read_gateways(top: &Table<'_, '_>, to: &mut Diagnostics<'_>) -> Vec<Gateway> {
    let mut names = HashSet::new();
    let mut gateways = Vec::new();
    for table in top.tables("gateway", GATEWAY_KEYS, to) {
        let Some(gateway) = read_gateway(&table, to) else {
            continue;
        };
        if !names.insert(gateway.name.clone()) {
            let what = format!("a second gateway is named `{}`", shown(&gateway.name));
            to.error(table.span(), what, "give each gateway its own name");
        }
        gateways.push(gateway);
    }
    gateways
}

fn read_gateway(table: &Table<'_, '_>, to: &mut Diagnostics<'_>) -> Option<Gateway> {
    let name = short_text(table, "name", "name the gateway as people know it", to);
    let why = "a gateway is approved by names and addresses together; list both";
    let names = table.some_texts("names", why, to);
    let names = each(
        &names,
        to,
        "write a host name or address, with a port if it is not 80 or 443",
        |t| Authority::parse(t).ok_or_else(|| format!("`{}` is not a host name", shown(t))),
    );
    let listed = table.some_texts("addresses", why, to);
    let fix = "write an IP address or a network, e.g. 10.0.0.5:443, 10.1.0.0/16, [::1]:9000; names are not looked up";
    let addresses = each(&listed, to, fix, Network::parse);
    let hosts = patterns(table, "hosts", Pattern::folded, to);
    let users = patterns(table, "users", Pattern::exact, to);
    warn_of_loopback(&listed, !hosts.is_empty(), !users.is_empty(), to);
    let paths = table.texts("paths", to);
    let keys = table.texts("certificate_keys", to);
    let upstreams = table.texts("upstreams", to);
    let sources = table.texts("sources", to);
    let gateway = Gateway {
        name: name?,
        names,
        addresses,
        sources: each(&sources, to, fix, |t| Network::parse(t).and_then(portless)),
        paths: each(
            &paths,
            to,
            "start with /; * stands for any text",
            path_pattern,
        ),
        certificate_keys: each(
            &keys,
            to,
            "write the SHA-256 of the public key (SPKI) as 64 hex digits",
            key_hex,
        ),
        upstreams: each(
            &upstreams,
            to,
            "write an address with port, a network, or an http(s) URL",
            upstream,
        ),
        hosts,
        users,
    };
    (!gateway.names.is_empty() && !gateway.addresses.is_empty()).then_some(gateway)
}

/// A loopback address is another machine on every host, and any user may listen there while the gateway is down.
fn warn_of_loopback(addresses: &[Text], hosts: bool, users: bool, to: &mut Diagnostics<'_>) {
    let (where_, who, fix) = match (hosts, users) {
        (true, true) => return,
        (false, false) => (
            " is another machine on every host",
            "whoever listens there is taken for the gateway, also a user without rights while it is down",
            "say with hosts = [\"…\"] where it is meant, and with users = [\"…\"] as whom it runs",
        ),
        (false, true) => (
            " is another machine on every host",
            "whoever listens there is taken for the gateway",
            "say with hosts = [\"…\"] where it is meant",
        ),
        (true, false) => (
            " is open to every user of its host",
            "who listens there while the gateway is down is taken for it",
            "say with users = [\"…\"] as whom the gateway runs",
        ),
    };
    for text in addresses {
        if Network::parse(text.get_ref()).is_ok_and(|net| net.is_loopback()) {
            let what = format!("`{}`{where_}: {who}", shown(text.get_ref()));
            to.warn(&text.span(), what, fix);
        }
    }
}

fn portless(net: Network) -> Result<Network, String> {
    if net.port().is_some() {
        return Err("the address has a port; connections come from any port".to_owned());
    }
    Ok(net)
}

fn path_pattern(text: &str) -> Result<Pattern, String> {
    if !text.starts_with('/') && text != "*" {
        return Err(format!("`{}` is not a path", shown(text)));
    }
    Pattern::exact(text)
}

fn key_hex(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("the certificate key is not a SHA-256".to_owned())
}

fn upstream(text: &str) -> Result<Upstream, String> {
    if text.contains("://") {
        let url =
            Url::parse(text).ok_or_else(|| "the upstream is not an http(s) URL".to_owned())?;
        return Ok(Upstream::Url(url));
    }
    Network::parse(text).map(Upstream::Address)
}

fn read_sanction(
    table: &Table<'_, '_>,
    now: OffsetDateTime,
    to: &mut Diagnostics<'_>,
) -> Option<Sanction> {
    let fix = "write a key or URL, or a pattern of one: npm:@scope/*, https://api.example/*";
    let servers = table.some_texts("servers", "say which servers the exception is for", to);
    let servers = each(&servers, to, fix, server_pattern);
    let hosts = patterns(table, "hosts", Pattern::folded, to);
    let users = patterns(table, "users", Pattern::exact, to);
    let reason = short_text(table, "reason", "say why the exception was granted", to);
    let author = short_text(table, "author", "say who granted it", to);
    let bypass = table.flag("bypass", to);
    let (until, end) = read_until(table, to)?;
    let sanction = Sanction {
        servers,
        hosts,
        users,
        reason: reason?,
        author: author?,
        end_unix_ns: end.unix_timestamp_nanos().try_into().unwrap_or(0),
        until,
        bypass,
    };
    if end <= now {
        let what = format!("the exception ended: until {}", sanction.until);
        to.warn(
            table.span(),
            what,
            "remove it, or renew it with a later date",
        );
    }
    Some(sanction)
}

fn server_pattern(text: &str) -> Result<Pattern, String> {
    if !text.contains([':', '*']) {
        return Err(format!(
            "`{}` fits no server: a key has a kind, as in npm:name",
            shown(text)
        ));
    }
    Pattern::exact(text)
}

/// A TOML date or date-time, or the same as text. A date is covered to its end, in UTC.
fn read_until(table: &Table<'_, '_>, to: &mut Diagnostics<'_>) -> Option<(String, OffsetDateTime)> {
    let Some(value) = table.value("until") else {
        table.missing(
            "until",
            "every exception ends: write until = \"2027-06-30\"",
            to,
        );
        return None;
    };
    let text = match value.get_ref() {
        DeValue::Datetime(datetime) => datetime.to_string(),
        DeValue::String(text) => text.to_string(),
        _ => String::new(),
    };
    let date = Date::parse(&text, format_description!("[year]-[month]-[day]"))
        .ok()
        .and_then(Date::next_day)
        .map(|next| next.midnight().assume_utc());
    let end = date.or_else(|| OffsetDateTime::parse(&text, &Rfc3339).ok());
    // Outside of 1970 to 2554 there are no nanoseconds in 64 bits; nobody means that.
    let end = end.filter(|end| u64::try_from(end.unix_timestamp_nanos()).is_ok());
    if end.is_none() {
        let what = format!("`until` is not a date: `{}`", shown(&text));
        to.error(
            &value.span(),
            what,
            "write 2027-06-30 or 2027-06-30T12:00:00Z",
        );
    }
    Some((text, end?))
}

fn short_text(
    table: &Table<'_, '_>,
    key: &str,
    why: &str,
    to: &mut Diagnostics<'_>,
) -> Option<String> {
    let text = table.text(key, why, to)?;
    let span = text.span();
    let text = text.into_inner();
    if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        let what = format!("`{key}` has control characters or more than {TEXT_BYTES_MAX} bytes");
        to.error(&span, what, "write one short line");
        return None;
    }
    Some(text)
}

fn patterns(
    table: &Table<'_, '_>,
    key: &str,
    make: fn(&str) -> Result<Pattern, String>,
    to: &mut Diagnostics<'_>,
) -> Vec<Pattern> {
    let texts = table.texts(key, to);
    each(
        &texts,
        to,
        "* stands for any text, everything else for itself",
        make,
    )
}

fn each<T>(
    texts: &[Text],
    to: &mut Diagnostics<'_>,
    fix: &str,
    make: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let mut made = Vec::with_capacity(texts.len());
    for text in texts {
        match make(text.get_ref()) {
            Ok(item) => made.push(item),
            Err(what) => to.error(&text.span(), what, fix),
        }
    }
    made
}
