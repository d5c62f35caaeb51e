//! What the names of the header say: one row a name, short (since SDK 9.5) and long (before), both
//! shown as the long one. Never looks at a value.

use super::super::names::{Index, Name};
use crate::event::{IdKind, Kind};
use IdKind::{AndroidId, Gaid, Imei, InstanceId, Mac, Oaid, Serial, Utdid};
use Kind::{Crash, DeviceFact, FeatureUsed, NetworkFact};
use Says::{App, DeviceId, Digest, Fact, Id, Own, Package, Tracking};

/// What a member of the header says.
#[derive(Clone, Copy)]
pub(super) enum Says {
    Id(IdKind),
    /// One of the phone's identifiers, whichever the SDK could get.
    DeviceId,
    /// The MD5 of one of them.
    Digest,
    /// All of them, packed, with their times.
    Tracking,
    Fact(Kind),
    /// The app's package.
    Package,
    /// Which app it is to the collector, and which store it came from: of no kind, but of each event.
    App,
    /// The SDK's own bookkeeping, which is of the upload and of no event.
    Own,
}

/// One name.
pub(super) struct Key {
    /// As SDKs since 9.5 send it; the long one where there is no other.
    short: &'static str,
    /// Where it stands, by its long name.
    pub(super) path: &'static str,
    /// Where it stands among the packed identifiers, and where its time does.
    pub(super) tracked: [&'static str; 2],
    pub(super) says: Says,
}

/// What stands before the long name in [`Key::path`].
const ROOT: &str = "entity.header.";

/// What stands before a name in [`Key::tracked`].
pub(super) const TRACKED: &str = "entity.header.id_tracking";

impl Key {
    /// The name before SDK 9.5; of those that came later and whose meaning is not known, the short one.
    pub(super) fn long(&self) -> &'static str {
        self.path.split_at(ROOT.len()).1
    }
}

macro_rules! keys {
    ($($short:literal $($long:literal)? => $says:expr),+ $(,)?) => {
        &[$(keys!(one $short, $short $($long)?, $says)),+]
    };
    (one $short:literal, $same:literal, $says:expr) => { keys!(row $short, $same, $says) };
    (one $short:literal, $same:literal $long:literal, $says:expr) => { keys!(row $short, $long, $says) };
    (row $short:literal, $long:literal, $says:expr) => {
        Key {
            short: $short,
            path: concat!("entity.header.", $long),
            tracked: [
                concat!("entity.header.id_tracking.", $long),
                concat!("entity.header.id_tracking.", $long, ".time"),
            ],
            says: $says,
        }
    };
}

#[rustfmt::skip]
const KEYS: &[Key] = keys![
    "#dd" "device_id" => DeviceId,
    "#imd" "idmd5" => Digest,
    "#itr" "id_tracking" => Tracking,
    "mc" => Id(Mac),
    "#umid" "umid" => Id(InstanceId),
    "#tok" "devicetoken" => Id(InstanceId),
    "#zta" "zdata" => Id(InstanceId),
    "#ud" "uuid" => Id(InstanceId),
    "imei" => Id(Imei),
    "android_id" => Id(AndroidId),
    "mac" => Id(Mac),
    "oaid" => Id(Oaid),
    "idfa" => Id(Gaid),
    "utdid" => Id(Utdid),
    "serial" => Id(Serial),

    "#dm" "device_model" => Fact(DeviceFact),
    "#db" "device_brand" => Fact(DeviceFact),
    "#dmf" "device_manufacturer" => Fact(DeviceFact),
    "#boa" "device_board" => Fact(DeviceFact),
    "#dn" "device_name" => Fact(DeviceFact),
    "#mant" "device_manutime" => Fact(DeviceFact),
    // Android's Build.ID.
    "#did" "device_manuid" => Fact(DeviceFact),
    "#ov" "os_version" => Fact(DeviceFact),
    "os" => Fact(DeviceFact),
    "#oos" "others_OS" => Fact(DeviceFact),
    "#al" "api_level" => Fact(DeviceFact),
    "#dt" "device_type" => Fact(DeviceFact),
    "cpu" => Fact(DeviceFact),
    "gpu_vendor" => Fact(DeviceFact),
    "gpu_renderer" => Fact(DeviceFact),
    "#rl" "resolution" => Fact(DeviceFact),
    "#fss" "font_size_setting" => Fact(DeviceFact),
    "#tz" "timezone" => Fact(DeviceFact),
    "#ct" "country" => Fact(DeviceFact),
    "#lang" "language" => Fact(DeviceFact),
    "crn" => Fact(DeviceFact),
    "crv" => Fact(DeviceFact),
    "ntf_switch" => Fact(DeviceFact),
    "ringer_mode" => Fact(DeviceFact),
    "model" => Fact(DeviceFact),
    "hostname" => Fact(DeviceFact),
    "storage" => Fact(DeviceFact),

    "#pkg" "package_name" => Package,
    "#disn" "display_name" => Fact(DeviceFact),
    "#av" "app_version" => Fact(DeviceFact),
    "#vc" "version_code" => Fact(DeviceFact),
    "#tsv" "targetSdkVer" => Fact(DeviceFact),
    "#sig" "app_signature" => Fact(DeviceFact),
    "#sis1" "app_sig_sha1" => Fact(DeviceFact),
    "#sis" "app_sig_sha" => Fact(DeviceFact),
    "#ak" "appkey" => App,
    "#chn" "channel" => App,

    "#car" "carrier" => Fact(NetworkFact),
    "#mnc" "mccmnc" => Fact(NetworkFact),
    "#ac" "access" => Fact(NetworkFact),
    "#ast" "access_subtype" => Fact(NetworkFact),
    "#nt" "network_type" => Fact(NetworkFact),
    "#ip" "local_ip" => Fact(NetworkFact),

    "#sid" "session_id" => Own,
    "#sdt" "sdk_type" => Own,
    "#sv" "sdk_version" => Own,
    "#cv" "com_ver" => Own,
    "#cot" "com_type" => Own,
    "#mv" "mini_ver" => Own,
    "#mod" "module" => Own,
    "#mov" "module_ver" => Own,
    "#vt" "vertical_type" => Own,
    "#prv" "pro_ver" => Own,
    "#$prv" "$pr_ve" => Own,
    "#uda" "$ud_da" => Own,
    "#wt" "wrapper_type" => Own,
    "#wv" "wrapper_version" => Own,
    "#sre" "successful_requests" => Own,
    "#fre" "failed_requests" => Own,
    "#ret" "req_time" => Own,
    "#rps" "rps_pr" => Own,
    "#imp" "imprint" => Own,
    "#zsv" "zid_sdk_version" => Own,
    "#mt" => Own,
    "#st" => Own,
    "#bst" => Own,
    "#it" => Own,
    "#sec" => Own,
    "#zv" => Own,
    "#zrt" => Own,
    "#iv" => Own,
    "#bv" => Own,
    "#pv" => Own,
    "#psv" => Own,
    "i_sdk_v" => Own,
    "oaid_required_time" => Own,
    "policy" => Own,
    "atm" => Own,
    "st" => Own,
    "source_id" => Own,
];

/// Lists that sections hold: what stands in them is an event each.
pub(super) struct List {
    pub(super) name: &'static str,
    /// What stands before the names of an event's own members.
    pub(super) root: &'static str,
    /// What such an event is called that has no name of its own.
    pub(super) event: &'static str,
    /// Members that the SDK itself writes, by name.
    rows: &'static [Row],
    /// The kind of what the app added.
    pub(super) own: Kind,
}

/// A member of an event.
pub(super) struct Row {
    name: &'static str,
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) is: Is,
}

/// What a member is to its event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Name,
    Time,
    Package,
    Member,
}

impl List {
    pub(super) fn row(&self, name: &str) -> Option<&'static Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

macro_rules! rows {
    ($root:literal: $($name:literal $kind:expr, $is:expr);+) => {
        &[$(Row { name: $name, path: concat!($root, ".", $name), kind: $kind, is: $is }),+]
    };
}

const EVENTS: &[Row] = rows!["entity.ekv":
    "id" FeatureUsed, Is::Name;
    "ts" Kind::Other, Is::Time;
    "ds" Kind::Other, Is::Member;
    "pn" DeviceFact, Is::Package;
    "__ct__" FeatureUsed, Is::Member;
    "activityName" FeatureUsed, Is::Member;
    "pid" Kind::Other, Is::Member;
    "isMainProcess" Kind::Other, Is::Member;
    "pairUUID" Kind::Other, Is::Member
];

const SESSIONS: &[Row] = rows!["entity.session":
    "id" Kind::Other, Is::Member;
    "start_time" FeatureUsed, Is::Time;
    "end_time" FeatureUsed, Is::Member;
    "duration" FeatureUsed, Is::Member;
    "$page_num" FeatureUsed, Is::Member
];

const ERRORS: &[Row] = rows!["entity.error":
    "ts" Kind::Other, Is::Time;
    "context" Crash, Is::Member;
    "error_source" Crash, Is::Member
];

/// What is told of an event's own parameters where no rule speaks: they say what was done.
const OWN: Kind = FeatureUsed;

pub(super) const LISTS: &[List] = &[
    List {
        name: "sessions",
        root: "entity.session",
        event: "session",
        rows: SESSIONS,
        own: Kind::Other,
    },
    List { name: "ekv", root: "entity.ekv", event: "ekv", rows: EVENTS, own: OWN },
    List { name: "gkv", root: "entity.ekv", event: "gkv", rows: EVENTS, own: OWN },
    List { name: "error", root: "entity.error", event: "error", rows: ERRORS, own: Kind::Other },
];

/// Where the session of an event stands, the same as of itself.
pub(super) const SESSION: &str = "entity.session.id";

/// Members beside the header, whose names were shortened, too.
const SECTIONS: &[(&str, &str)] = &[("#h", "header"), ("#a", "analytics")];

/// Names within the sections that are those of identifiers: of the card, the phone and who is
/// signed in.
pub(super) const WITHIN: &[(&str, IdKind)] = &[
    ("entity.active_user.puid", IdKind::LoginId),
    ("entity.inner.sinfo.a_meid", Imei),
    ("entity.inner.sinfo.a_imsi", IdKind::Imsi),
    ("entity.inner.sinfo.a_iccid", IdKind::Iccid),
];

/// The same of the records of the performance monitor, in which nobody is signed in: its `uid` was
/// made for the installation.
pub(super) const RECORD: &[(&str, IdKind)] = &[
    ("record.uid", InstanceId),
    ("record.wid", InstanceId),
    ("record.um_umid_header", InstanceId),
];

static INDEX: Index<{ 2 * KEYS.len() }> = Index::new(names());

/// The short names, and behind them the long ones.
const fn names() -> [&'static str; 2 * KEYS.len()] {
    let mut names = [""; 2 * KEYS.len()];
    let mut at = 0;
    while at < KEYS.len() {
        names[at] = KEYS[at].short;
        names[KEYS.len() + at] = KEYS[at].path.split_at(ROOT.len()).1;
        at += 1;
    }
    names
}

/// The row of a name, short or long.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    let row = |at: usize| &KEYS[at % KEYS.len()];
    let fits = |key: &&Key| key.short == name || key.long() == name;
    INDEX.of(Name::new(name)).map(row).find(fits)
}

/// Whether a name is one of the header's, short or long.
pub(in crate::decode) fn is_name(name: &str) -> bool {
    find(name).is_some()
}

/// The long name of a section.
pub(super) fn section(name: &str) -> &str {
    SECTIONS.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_one_row_whether_short_or_long() {
        for key in KEYS {
            for name in [key.short, key.long()] {
                assert_eq!(find(name).map(|found| found.path), Some(key.path), "{name}");
            }
        }
        assert!(find("#xyz").is_none());
        assert!(find("#DD").is_none());
        assert_eq!(
            (section("#a"), section("analytics"), section("push")),
            ("analytics", "analytics", "push")
        );
    }
}
