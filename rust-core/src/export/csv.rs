//! CSV (RFC 4180) with a header, one row an event. Never gives a spreadsheet a cell that it would
//! run as a formula.

use super::{ExportError, Sink};
use crate::event::{Event, Kind};
use std::borrow::Cow;
use std::io::{self, Write};

/// The columns, in order. Later versions add at the end and never move or rename one.
pub(super) const COLUMNS: [&str; 38] = [
    "id",
    "time",
    "app_uid",
    "app_package",
    "app_hint",
    "host",
    "server_addr",
    "server_port",
    "server_country",
    "server_asn",
    "server_operator",
    "transport",
    "verdict",
    "reason",
    "rule",
    "list",
    "state",
    "protocol",
    "event",
    "event_time",
    "kinds",
    "page",
    "search",
    "content",
    "feature",
    "media",
    "location",
    "identifiers",
    "bytes_up",
    "bytes_down",
    "payload_sha256",
    "payload_size",
    "decoder",
    "checks",
    "problems",
    "ids",
    "fields",
    "decoder_before",
];

pub(super) struct Table<'a> {
    out: ::csv::Writer<&'a mut dyn Write>,
}

impl<'a> Table<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> io::Result<Self> {
        let mut out =
            ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(out);
        out.write_record(COLUMNS).map_err(plain)?;
        Ok(Self { out })
    }
}

/// The output error inside, so that a broken pipe is known as one.
fn plain(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => error,
        _ => io::Error::from(io::ErrorKind::InvalidData),
    }
}

impl Sink for Table<'_> {
    fn event(&mut self, event: &Event) -> Result<(), ExportError> {
        for cell in row(event) {
            self.out.write_field(defuse(&cell).as_ref()).map_err(plain)?;
        }
        Ok(self.out.write_record(None::<&[u8]>).map_err(plain)?)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Puts an apostrophe before what a spreadsheet would take for a formula (OWASP, "CSV
/// injection").
fn defuse(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |v| v.to_string())
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The different values of a kind, in the order of their first place. Of a location each number
/// counts, also where latitude and longitude are the same.
fn values(event: &Event, kind: Kind) -> String {
    let mut values: Vec<&str> = Vec::new();
    for field in event.fields.iter().filter(|f| f.kind == kind) {
        if kind == Kind::Location || !values.contains(&field.value.as_str()) {
            values.push(&field.value);
        }
    }
    values.join(" | ")
}

fn row(event: &Event) -> [String; COLUMNS.len()] {
    let server = event.server.as_ref();
    let reason = event.reason.as_ref();
    let payload = event.payload.as_ref();
    let kinds: Vec<&str> = event.kinds.iter().map(|k| k.as_str()).collect();
    let ids: Vec<String> = event.ids.iter().map(|i| format!("{}={}", i.kind, i.value)).collect();
    [
        text(event.id),
        text(event.time),
        text(event.app.uid),
        text(event.app.package.as_ref()),
        text(event.app.hint.as_ref()),
        text(event.host.as_ref()),
        text(server.map(|s| s.addr)),
        text(server.map(|s| s.port)),
        text(server.and_then(|s| s.country.as_ref())),
        text(server.and_then(|s| s.asn)),
        text(server.and_then(|s| s.operator.as_ref())),
        text(event.transport),
        text(event.verdict),
        text(reason.map(|r| r.code)),
        text(reason.and_then(|r| r.rule.as_ref())),
        text(reason.and_then(|r| r.list.as_ref())),
        event.state.to_string(),
        text(event.protocol),
        text(event.event.as_ref()),
        text(event.event_time),
        kinds.join(" "),
        values(event, Kind::VisitedPage),
        values(event, Kind::Search),
        values(event, Kind::ContentViewed),
        values(event, Kind::FeatureUsed),
        values(event, Kind::MediaPlayed),
        values(event, Kind::Location),
        ids.join(" "),
        text(event.bytes.map(|b| b.up)),
        text(event.bytes.map(|b| b.down)),
        text(payload.map(|p| &p.sha256)),
        text(payload.map(|p| p.size)),
        text(event.decoder.as_ref()),
        json(&event.checks),
        json(&event.problems),
        json(&event.ids),
        json(&event.fields),
        text(event.decoder_before.as_ref()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_of_equal_numbers_keeps_both() {
        let field = |path: &str, kind| crate::event::Field {
            path: path.into(),
            value: "12.5".into(),
            kind,
        };
        let mut event = Event::empty(crate::event::State::Decoded);
        event.fields = vec![
            field("lat", Kind::Location),
            field("lng", Kind::Location),
            field("$url", Kind::VisitedPage),
            field("url", Kind::VisitedPage),
        ];
        assert_eq!(values(&event, Kind::Location), "12.5 | 12.5");
        assert_eq!(values(&event, Kind::VisitedPage), "12.5");
    }

    #[test]
    fn formulas_are_defused_and_other_cells_are_left() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"] {
            assert_eq!(defuse(cell), format!("'{cell}"));
        }
        for cell in ["", "a=1", "1", "'", "\"=", " =1", "https://a.example/?q=-1"] {
            assert_eq!(defuse(cell), cell);
        }
    }
}
