//! What an app may do with the core, as JSON in and JSON out: everything of the bridge but the JVM.
//! `docs/jni.md` gives the forms.
//!
//! Never decides and never words anything. Every call may come from any thread.

mod ask;
mod export;
mod fault;
mod lists;
mod query;
mod rules;

pub use fault::{Code, Fault};

use crate::engine::{Reach, Rules};
use crate::io::{Bypass, Owners, ProcNet, locked};
use crate::limits;
use crate::policy::{Policy, Warning};
use crate::servers::Servers;
use crate::service::{Attach, PlaneState, Service};
use crate::store::{Config, Filter, Gap, Reader};
use crate::wire::FiveTuple;
use lists::Sources;
use rustix::fd::{BorrowedFd, OwnedFd};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the core asks of the app. May be called from several threads.
pub trait Upcalls: Send + Sync {
    /// The user id that owns a connection; `None` where the system does not know.
    fn connection_owner(&self, tuple: &FiveTuple) -> Option<u32>;
    /// Keeps a socket out of the VPN; whether that worked.
    fn protect(&self, fd: BorrowedFd<'_>) -> bool;
    /// The data plane ended by itself.
    fn ended(&self, code: Code);
}

/// The version of this core: an object of `docs/jni.md`.
pub fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    json!({"v": 1, "version": version, "schema": crate::store::SCHEMA}).to_string()
}

/// An opened core: store, lists, policy, and the data plane while there is one.
pub struct Core {
    service: Service,
    upcalls: Arc<dyn Upcalls>,
    db: PathBuf,
    /// For files that live during an export.
    cache: PathBuf,
    api: u32,
    log: log::LevelFilter,
    opened: Instant,
    closed: AtomicBool,
    /// For queries, which may take their time.
    reader: Mutex<Reader>,
    /// For what is to answer at once.
    live: Mutex<Reader>,
    /// Held while lists change, so that they change one after the other.
    sources: Mutex<Sources>,
    /// The lines of `snapshot` about lists, which change seldom.
    lists: Mutex<Vec<Value>>,
    /// Why the last data plane ended by itself.
    ended: Arc<Mutex<Option<Code>>>,
}

/// The table of servers of a file. Without it events say less, and all else goes on.
fn servers(file: &ask::ServersFile) -> Servers {
    let opened = crate::io::Mapped::open(&file.path, file.offset, file.length);
    let table = opened.map_err(|error| error.to_string());
    let table = table.and_then(|map| Servers::open(Arc::new(map)).map_err(|e| e.to_string()));
    table.unwrap_or_else(|error| {
        log::warn!("no table of servers: {error}");
        Servers::default()
    })
}

/// `{"v":1, key: value}`.
fn answer(key: &str, value: &impl Serialize) -> Result<String, Fault> {
    let value = serde_json::to_string(value)?;
    Ok(format!("{{\"v\":1,\"{key}\":{value}}}"))
}

/// From this API level on the system tells who owns a connection.
const OWNERS_BY_UPCALL: u32 = 29;

struct OwnersByUpcall(Arc<dyn Upcalls>);

impl Owners for OwnersByUpcall {
    fn owner(&mut self, tuple: &FiveTuple) -> Option<u32> {
        self.0.connection_owner(tuple)
    }
}

impl Core {
    /// Opens the store and gets ready: `open`.
    ///
    /// # Errors
    /// Those of the store, and `bad-json`, `bad-version`, `bad-argument`.
    pub fn start(config: &str, upcalls: Arc<dyn Upcalls>) -> Result<Self, Fault> {
        let asked: ask::Open = ask::parse(config)?;
        let config = Config {
            path: asked.db.clone(),
            retention_days: asked.retention_days,
            max_bytes: asked.max_bytes,
            servers: asked.servers.map_or_else(Servers::builtin, |file| servers(&file)),
        };
        let mut sources = Sources::new(asked.lists);
        let table = Arc::new(sources.table()?);
        let lines = sources.lines(&table);
        let service = Service::open(config, Rules { table, policy: Policy::default() })?;
        Ok(Self {
            service,
            upcalls,
            reader: Mutex::new(Reader::open(&asked.db)?),
            live: Mutex::new(Reader::open(&asked.db)?),
            db: asked.db,
            cache: asked.cache,
            api: asked.api,
            log: asked.log.into(),
            opened: Instant::now(),
            closed: AtomicBool::new(false),
            sources: Mutex::new(sources),
            lists: Mutex::new(lines),
            ended: Arc::default(),
        })
    }

    /// What is to go to the system's log.
    pub fn log_level(&self) -> log::LevelFilter {
        self.log
    }

    /// Refuses when the core is closed.
    fn open(&self) -> Result<(), Fault> {
        match self.closed.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(Fault::new(Code::Closed, "the handle was closed")),
        }
    }

    /// Watches a TUN: `attach`.
    ///
    /// # Errors
    /// `bad-json`, `bad-version`, `bad-argument`, `closed`, `system`.
    pub fn attach(&self, tun: OwnedFd, config: &str) -> Result<(), Fault> {
        self.open()?;
        let asked: ask::Attach = ask::parse(config)?;
        let upcalls = Arc::clone(&self.upcalls);
        let bypass = match asked.protect {
            false => Bypass::Anyway,
            true => Bypass::Ask(Arc::new(move |fd| upcalls.protect(fd))),
        };
        let (upcalls, ended) = (Arc::clone(&self.upcalls), Arc::clone(&self.ended));
        let attach = Attach {
            tun,
            reach: match asked.reach {
                ask::Reach::Light => Reach::Light,
                ask::Reach::Deep => Reach::Deep,
            },
            resolvers: ask::resolvers(&asked.resolvers)?,
            // The app tells: `network_changed`.
            watch_addresses: false,
            bypass,
            owners: self.owners(),
            ended: Box::new(move |outcome| {
                if let Err(error) = outcome {
                    let code = fault::plane_code(error);
                    *locked(&ended) = Some(code);
                    upcalls.ended(code);
                }
            }),
        };
        self.service.attach(attach)?;
        *locked(&self.ended) = None;
        // Closed meanwhile by another thread, which did not see this data plane.
        if self.open().is_err() {
            self.service.detach();
        }
        self.open()
    }

    /// Android 8 and 9 have no look-up for apps, and show their tables of sockets.
    fn owners(&self) -> Box<dyn Owners> {
        match self.api >= OWNERS_BY_UPCALL {
            true => Box::new(OwnersByUpcall(Arc::clone(&self.upcalls))),
            false => Box::new(ProcNet::default()),
        }
    }

    /// Stops watching. The TUN is closed when this returns.
    ///
    /// # Errors
    /// `closed`.
    pub fn detach(&self) -> Result<(), Fault> {
        self.open()?;
        // Why it had ended by itself, if it had, was told by then.
        self.service.detach();
        Ok(())
    }

    /// Takes the owner's choices: `policy`, answered by `warnings`.
    ///
    /// # Errors
    /// `bad-policy`, `bad-json`, `bad-version`, `bad-argument`, `closed`.
    pub fn set_policy(&self, text: &str) -> Result<String, Fault> {
        self.open()?;
        if text.len() > limits::POLICY_TEXT {
            return Err(Fault::new(Code::BadArgument, "longer than a policy may be"));
        }
        ask::check_version(text)?;
        // Apps that are off are left out of the VPN by whoever builds it.
        let policy = Policy::from_json(text)?.without_off_apps();
        let warnings = self.service.with_rules(|rules| policy.warnings(&rules.table));
        self.service.set_policy(policy);
        let lines: Vec<_> = warnings.iter().map(warning).collect();
        answer("warnings", &lines)
    }

    /// Takes new upstream resolvers: `network`.
    ///
    /// # Errors
    /// `bad-json`, `bad-version`, `bad-argument`, `closed`.
    pub fn network_changed(&self, network: &str) -> Result<(), Fault> {
        self.open()?;
        let asked: ask::Network = ask::parse(network)?;
        self.service.network_changed(&ask::resolvers(&asked.resolvers)?);
        Ok(())
    }

    /// Events after one, oldest first, at most `max`; waits up to `timeout` for the first: `rows`.
    ///
    /// # Errors
    /// `bad-argument`, `closed`, and those of the store.
    pub fn next_events(&self, after_id: i64, max: u32, timeout: Duration) -> Result<String, Fault> {
        if after_id < 0 || !(1..=limits::PAGE).contains(&max) {
            return Err(Fault::new(Code::BadArgument, "`afterId` or `max` is out of range"));
        }
        if timeout > Duration::from_millis(limits::WAIT_MS.into()) {
            return Err(Fault::new(Code::BadArgument, "`timeoutMs` is out of range"));
        }
        let deadline = Instant::now() + timeout;
        let filter =
            Filter { after_id: Some(after_id), limit: Some(max.into()), ..Filter::default() };
        loop {
            // Counted before the store is asked, so that no commit between is missed.
            let seen = self.service.watch().count();
            self.open()?;
            let (rows, count) = query::rows(&locked(&self.live), &filter, after_id)?;
            if count > 0 || Instant::now() >= deadline {
                return Ok(rows);
            }
            self.service.watch().wait(seen, deadline);
        }
    }

    /// How things are now: `snapshot`.
    ///
    /// # Errors
    /// `closed`, and those of the store.
    pub fn snapshot(&self) -> Result<String, Fault> {
        self.open()?;
        let plane = match self.service.plane() {
            PlaneState::Detached => json!({"state": "detached"}),
            PlaneState::Ended => {
                let error = locked(&self.ended).unwrap_or(Code::System);
                json!({"state": "ended", "error": error})
            }
            PlaneState::Running { since_ms, reach, counted } => {
                let counters = &counted.counters;
                let drops: serde_json::Map<_, _> = counters
                    .drops()
                    .map(|(why, count)| (why.as_str().to_owned(), count.into()))
                    .collect();
                let reach = match reach {
                    Reach::Light => "light",
                    Reach::Deep => "deep",
                };
                json!({"state": "running", "since": since_ms, "reach": reach,
                    "flows": counted.flows, "touched_bytes": counted.touched_bytes,
                    "packets_in": counters.packets_in, "questions": counters.questions,
                    "answered": counters.answered, "blocked": counters.blocked,
                    "parked": counters.parked, "drops": drops})
            }
        };
        let store = self.service.store();
        let (paused, (apps, hosts)) =
            self.service.with_rules(|rules| (rules.policy.paused_until(), rules.policy.sizes()));
        let mut policy = json!({"apps": apps, "hosts": hosts});
        if let Some(until) = paused {
            policy["paused_until"] = until.0.into();
        }
        let last_id = locked(&self.live).max_id()?;
        let lists = locked(&self.lists).clone();
        let store = json!({"state": store.state().as_str(), "dropped": store.dropped()});
        let uptime = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(json!({"v": 1, "uptime_ms": uptime, "last_id": last_id, "plane": plane,
            "store": store, "policy": policy, "lists": lists})
        .to_string())
    }

    /// Changes the store: one of the commands of `docs/jni.md`.
    ///
    /// # Errors
    /// `bad-json`, `bad-version`, `bad-argument`, `closed`, and those of the store.
    pub fn command(&self, text: &str) -> Result<(), Fault> {
        self.open()?;
        let mut object = ask::object(text)?;
        let name = ask::name(&mut object, "do")?;
        let outcome = match name.as_str() {
            "flush" => {
                let ask::Nothing {} = ask::read(object)?;
                self.service.with_writer(|writer| writer.flush())
            }
            "wipe" => {
                let ask::Nothing {} = ask::read(object)?;
                self.service.with_writer(|writer| writer.wipe())
            }
            "gap" => {
                let gap = gap(ask::read(object)?)?;
                self.service.with_writer(|writer| writer.gap(gap))
            }
            "remove-list" => {
                let ask::Named { name } = ask::read(object)?;
                return self.remove_list(&name);
            }
            "keep" => {
                let ask::Keep { days, max_bytes } = ask::read(object)?;
                self.service.with_writer(|writer| writer.keep(days, max_bytes))
            }
            _ => return Err(Fault::new(Code::BadJson, "unknown `do`")),
        };
        Ok(outcome?)
    }

    /// Ends everything. Calls that wait return `closed`.
    ///
    /// # Errors
    /// `closed` for a second one, and those of the store: it is closed all the same.
    pub fn close(&self) -> Result<(), Fault> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return self.open();
        }
        self.service.watch().wake();
        self.service.close()?;
        Ok(())
    }
}

fn warning(warning: &Warning) -> Value {
    match warning {
        Warning::NeverBlockHost { host, rule, side_effect } => json!({
            "code": "never-block-host", "host": host, "rule": rule, "side_effect": side_effect
        }),
        Warning::UnknownApp { host, package } => {
            json!({"code": "unknown-app", "host": host, "package": package})
        }
        Warning::UnknownList { list } => json!({"code": "unknown-list", "list": list}),
    }
}

fn gap(asked: ask::GapEntry) -> Result<Gap, Fault> {
    let word = |c: char| c.is_ascii_lowercase() || c == '-';
    if asked.reason.is_empty() || asked.reason.len() > 32 || !asked.reason.chars().all(word) {
        return Err(Fault::new(Code::BadJson, "expected a word in `reason`"));
    }
    let end = asked.end.map(ask::time).transpose()?;
    Ok(Gap { start: ask::time(asked.start)?, end, reason: asked.reason })
}

#[cfg(test)]
mod tests;
