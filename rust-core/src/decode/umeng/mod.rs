//! Umeng (Alibaba): analytics in a Thrift envelope, the collection of identifiers, and the reports
//! of its performance monitor.
//!
//! Evidence: recorded from com.umeng.umsdk common 9.3.8, 9.5.6 and 9.8.9, asms 1.2.1 and 1.6.3, and apm
//! 1.8.0, with made-up ids; the older vectors are synthetic.

mod apm;
mod asms;
mod digest;
mod envelope;
mod events;
mod header;
pub(super) mod keys;
mod tracking;

use super::{Decoded, DecodedEvent, Input, host, ids};
use crate::event::{IdKind, Identifier};

const DECODER: &str = "umeng/2";

pub(super) fn decode(input: &Input<'_>) -> Option<Decoded> {
    envelope::decode(input).or_else(|| asms::decode(input)).or_else(|| apm::decode(input))
}

/// Whether the request goes to one of the vendor's hosts.
fn is_at_umeng(input: &Input<'_>) -> bool {
    let domains = ["umeng.com", "umengcloud.com"];
    let under = |host: &str| {
        let front = domains.iter().find_map(|domain| host.strip_suffix(domain));
        front.is_some_and(|front| front.is_empty() || front.ends_with('.'))
    };
    host(input.request).is_some_and(|host| under(&host))
}

/// Says of fields which identifiers they are, by where they stand.
fn add_ids(event: &mut DecodedEvent, table: &[(&str, IdKind)]) {
    for (path, kind) in table {
        let field = event.fields.iter_mut().find(|field| field.path == *path);
        let Some(field) = field else { continue };
        let Some(kind) = ids::exact(*kind, &field.value) else { continue };
        field.kind = ids::kind_of(kind);
        event.ids.retain(|id| id.path != *path);
        let (value, path) = (field.value.clone(), field.path.clone());
        event.ids.push(Identifier { kind, value, path });
    }
}
