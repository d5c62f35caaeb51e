//! The closed lists of words that events are written in. The core emits these codes; words for
//! people live in the app's resources and in the command's output.

/// An enum of codes: each variant has one fixed spelling, the same in JSON, SQLite and filters.
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* #[doc = concat!("`", $text, "`")] $variant),+ }

        impl $name {
            /// Every code, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The spelling of the code.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::event::UnknownCode;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.iter().copied().find(|c| c.as_str() == text);
                found.ok_or($crate::event::UnknownCode)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                const NAMES: &[&str] = &[$($text),+];
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(|_| serde::de::Error::unknown_variant(&text, NAMES))
            }
        }
    };
}
pub(crate) use codes;

/// A text that is none of a list's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of the known codes")]
pub struct UnknownCode;

codes!(
    /// What happens to a flow or a name.
    Verdict {
        /// Passes; only counters.
        Allow = "allow",
        /// Passes, and what can be decoded is stored.
        Record = "record",
        /// Answered on the phone, decoded and stored; nothing leaves.
        Capture = "capture",
        /// Refused; nothing leaves; the attempt is stored.
        Block = "block",
    }
);

codes!(
    /// Why a verdict fell.
    ReasonCode {
        ListedHost = "listed-host",
        ListedAddress = "listed-address",
        HostOverride = "host-override",
        AppOff = "app-off",
        AppRecord = "app-record",
        AppBlock = "app-block",
        NeverBlock = "never-block",
        Paused = "paused",
        UnknownAllow = "unknown-allow",
        ResolverBypass = "resolver-bypass",
        Limit = "limit",
    }
);

codes!(
    /// How much of an event could be read. Never pretends.
    State {
        Decoded = "decoded",
        Encrypted = "encrypted",
        Undecodable = "undecodable",
        Blocked = "blocked",
    }
);

codes!(
    /// What carried the event.
    Transport {
        Dns = "dns",
        Http = "http",
        Tls = "tls",
        Quic = "quic",
        Tcp = "tcp",
        Udp = "udp",
        Icmp = "icmp",
    }
);

codes!(
    /// What a field, and so an event, tells about the owner.
    Kind {
        VisitedPage = "visited-page",
        Search = "search",
        ContentViewed = "content-viewed",
        FeatureUsed = "feature-used",
        MediaPlayed = "media-played",
        Download = "download",
        Identifier = "identifier",
        Account = "account",
        DeviceFact = "device-fact",
        Location = "location",
        NetworkFact = "network-fact",
        InstalledApps = "installed-apps",
        Crash = "crash",
        Advertising = "advertising",
        Other = "other",
    }
);

codes!(
    /// The telemetry format that was recognised.
    Protocol {
        Sensors = "sensors",
        Onetrack = "onetrack",
        OnetrackPlain = "onetrack-plain",
        OnetrackPubsub = "onetrack-pubsub",
        MiuiAnalytics = "miui-analytics",
        Mistat = "mistat",
        Mistat3 = "mistat3",
        MistatCrash = "mistat-crash",
        Umeng = "umeng",
        Ut = "ut",
        Sls = "sls",
        Mixpanel = "mixpanel",
        Unknown = "unknown",
    }
);

codes!(
    /// What an identifier identifies, or how it was made.
    IdKind {
        AndroidId = "android_id",
        Imei = "imei",
        Oaid = "oaid",
        Gaid = "gaid",
        Vaid = "vaid",
        Mac = "mac",
        Serial = "serial",
        /// Of the card: who is its subscriber, and which card it is.
        Imsi = "imsi",
        Iccid = "iccid",
        Utdid = "utdid",
        InstanceId = "instance_id",
        DistinctId = "distinct_id",
        AnonymousId = "anonymous_id",
        LoginId = "login_id",
        CookieId = "cookie_id",
        MiAccount = "mi_account",
        Phone = "phone",
        Email = "email",
        /// MD5, SHA-1 or SHA-256 of an Android ID, in hex; so are those below.
        AndroidIdHash = "android_id_hash",
        ImeiHash = "imei_hash",
        OaidHash = "oaid_hash",
        GaidHash = "gaid_hash",
        MacHash = "mac_hash",
        SerialHash = "serial_hash",
        PhoneHash = "phone_hash",
        EmailHash = "email_hash",
        /// Of one of the phone's identifiers, it is not said which.
        DeviceIdHash = "device_id_hash",
    }
);

codes!(
    /// The outcome of a self-check that a format carries.
    Check {
        Ok = "ok",
        Mismatch = "mismatch",
        Absent = "absent",
    }
);

codes!(
    /// Why something that was there could not be read.
    ProblemCode {
        /// The bytes end too early.
        Truncated = "truncated",
        /// The bytes break the format's rules.
        Malformed = "malformed",
        /// The format is known, this variant is not.
        Unsupported = "unsupported",
        /// Closed under a key that we do not have.
        Encrypted = "encrypted",
        /// Larger than the stated bound; the rest was left unread.
        TooLarge = "too-large",
        /// More deeply nested than the stated bound.
        TooDeep = "too-deep",
        /// A self-check of the format failed.
        CheckFailed = "check-failed",
    }
);
