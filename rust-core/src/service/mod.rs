//! The core in one piece: store, lists, policy, data plane. The command and the app hold the same.
//!
//! Decides nothing: it opens, starts, passes on and closes. Every call may come from any thread.

use crate::engine::{Config, Engine, Reach, Rules};
use crate::io::{Bypass, Control, DataPlane, IoError, Owners, Parts, Snapshot, locked};
use crate::limits;
use crate::policy::Policy;
use crate::signatures::{HostTable, ListError, TableError, parse_list};
use crate::store::{self, RecordSender, StoreError, Watch, Writer};
use rustix::fd::OwnedFd;
use std::io::Read;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

/// Why the data plane did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// What the system or the TUN said.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The system gives no thread, or no random numbers.
    #[error("cannot {what} ({error})")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
    /// A fault of ours.
    #[error("the data plane failed; please report it")]
    Panicked,
}

/// Why lists were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListsError {
    /// One cannot be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// All together make no table.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Told on the data plane's thread what it counted, or why it ended by itself.
pub type Ended = Box<dyn FnOnce(Result<&Snapshot, &PlaneError>) + Send>;

/// What is needed to watch a TUN.
pub struct Attach {
    /// The TUN.
    pub tun: OwnedFd,
    /// What is routed to it.
    pub reach: Reach,
    /// Upstream resolvers, at least one.
    pub resolvers: Vec<SocketAddr>,
    /// Whether to see by itself when addresses of this device come and go; where not,
    /// [`Service::network_changed`] is to be called.
    pub watch_addresses: bool,
    /// How our own sockets pass by the TUN.
    pub bypass: Bypass,
    /// Tells who owns a flow, on a thread of its own.
    pub owners: Box<dyn Owners>,
    /// Called when the data plane has ended.
    pub ended: Ended,
}

/// What the data plane is at.
#[derive(Clone, Debug, Default)]
pub enum PlaneState {
    /// There is none.
    #[default]
    Detached,
    /// It runs.
    Running {
        /// Since when, milliseconds since 1970.
        since_ms: i64,
        /// What is routed to it.
        reach: Reach,
        /// What it counted.
        counted: Box<Snapshot>,
    },
    /// It ended by itself.
    Ended,
}

struct Running {
    control: Control,
    thread: JoinHandle<Result<Snapshot, PlaneError>>,
    since_ms: i64,
    reach: Reach,
}

/// See the module.
pub struct Service {
    sender: RecordSender,
    watch: Watch,
    writer: Mutex<Option<Writer>>,
    rules: Mutex<Rules>,
    plane: Mutex<Option<Running>>,
    /// Held while a data plane begins or ends: two must not number flows at the same time.
    switch: Mutex<()>,
}

impl Service {
    /// Opens the store. Nothing is watched yet.
    pub fn open(config: store::Config, rules: Rules) -> Result<Self, StoreError> {
        let writer = Writer::open(config)?;
        note_lists(&writer, &rules.table)?;
        Ok(Self {
            sender: writer.sender(),
            watch: writer.watch(),
            writer: Mutex::new(Some(writer)),
            rules: Mutex::new(rules),
            plane: Mutex::new(None),
            switch: Mutex::new(()),
        })
    }

    /// Watches a TUN on a thread of its own, in place of the one before.
    pub fn attach(&self, attach: Attach) -> Result<(), PlaneError> {
        let switch = locked(&self.switch);
        // How the one before ended was told to whoever attached it.
        let _ = self.stop();
        let Attach { tun, reach, resolvers, watch_addresses, bypass, owners, ended } = attach;
        let config =
            Config { reach, resolvers: resolvers.clone(), seed: seed()?, awake: limits::AWAKE };
        // Held until the new data plane is there, so that no change of the rules gets lost.
        let rules = locked(&self.rules);
        let sender = self.sender.clone();
        let parts = Parts {
            tun,
            engine: Engine::new(config, rules.clone()),
            resolvers,
            bypass,
            owners,
            records: Box::new(move |record| sender.send(record)),
        };
        let (mut plane, control) = DataPlane::new(parts)?;
        if watch_addresses {
            plane.watch_addresses()?;
        }
        let thread = std::thread::Builder::new()
            .name("data-plane".to_owned())
            .spawn(move || {
                let outcome = match catch_unwind(AssertUnwindSafe(|| plane.run())) {
                    Ok(outcome) => outcome.map_err(PlaneError::from),
                    Err(_) => Err(PlaneError::Panicked),
                };
                ended(outcome.as_ref());
                outcome
            })
            .map_err(|error| PlaneError::System { what: "start a thread", error })?;
        *locked(&self.plane) = Some(Running { control, thread, since_ms: now_ms(), reach });
        drop(rules);
        drop(switch);
        Ok(())
    }

    /// Ends the data plane in order. What it counted, or why it had ended by itself; `None` where
    /// there was none.
    pub fn detach(&self) -> Option<Result<Snapshot, PlaneError>> {
        let _switch = locked(&self.switch);
        self.stop()
    }

    fn stop(&self) -> Option<Result<Snapshot, PlaneError>> {
        let running = locked(&self.plane).take()?;
        running.control.stop();
        Some(running.thread.join().unwrap_or(Err(PlaneError::Panicked)))
    }

    /// What the data plane is at.
    pub fn plane(&self) -> PlaneState {
        let (control, since_ms, reach) = match &*locked(&self.plane) {
            None => return PlaneState::Detached,
            Some(running) => (running.control.clone(), running.since_ms, running.reach),
        };
        match control.snapshot() {
            Some(counted) => PlaneState::Running { since_ms, reach, counted: counted.into() },
            None => PlaneState::Ended,
        }
    }

    /// Asks the data plane to end, without waiting for it.
    pub fn ask_to_stop(&self) {
        self.with_plane(Control::stop);
    }

    /// Looks at the lists and choices in force.
    pub fn with_rules<T>(&self, look: impl FnOnce(&Rules) -> T) -> T {
        look(&locked(&self.rules))
    }

    /// New lists and choices; running flows obey at once.
    pub fn set_rules(&self, rules: Rules) -> Result<(), StoreError> {
        let table = Arc::clone(&rules.table);
        self.change(|now| *now = rules);
        self.with_writer(|writer| note_lists(writer, &table))
    }

    /// New choices of the owner alone.
    pub fn set_policy(&self, policy: Policy) {
        self.change(|now| now.policy = policy);
    }

    /// New lists alone.
    pub fn set_table(&self, table: HostTable) -> Result<(), StoreError> {
        let table = Arc::new(table);
        self.change(|now| now.table = Arc::clone(&table));
        self.with_writer(|writer| note_lists(writer, &table))
    }

    /// Told in the order of the changes: the lock is held until the data plane knows.
    fn change(&self, change: impl FnOnce(&mut Rules)) {
        let mut rules = locked(&self.rules);
        change(&mut rules);
        self.with_plane(|control| control.set_rules(rules.clone()));
    }

    /// The network is another one, with these upstream resolvers; none: those before.
    pub fn network_changed(&self, resolvers: &[SocketAddr]) {
        self.with_plane(|control| control.network_changed(resolvers.to_vec()));
    }

    fn with_plane(&self, tell: impl FnOnce(&Control)) {
        if let Some(running) = &*locked(&self.plane) {
            tell(&running.control);
        }
    }

    /// Asks something of the store's writer.
    pub fn with_writer<T>(
        &self,
        ask: impl FnOnce(&Writer) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        locked(&self.writer).as_ref().map_or(Err(StoreError::Closed), ask)
    }

    /// The way into the store, which also tells how it fares.
    pub fn store(&self) -> &RecordSender {
        &self.sender
    }

    /// Tells when there are new events.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Ends the data plane, writes what is queued and closes the store.
    pub fn close(&self) -> Result<store::Summary, StoreError> {
        let _ = self.detach();
        let writer = locked(&self.writer).take();
        writer.map_or(Err(StoreError::Closed), Writer::close)
    }
}

/// The table of the built-in lists and of the owner's, given as name and text, which count before
/// them.
pub fn table(own: &[(String, String)]) -> Result<HostTable, ListsError> {
    if own.is_empty() {
        return Ok(HostTable::builtin().clone());
    }
    let lists =
        own.iter().map(|(name, text)| parse_list(text, name)).collect::<Result<Vec<_>, _>>()?;
    let own = lists.iter().flat_map(|list| list.rules());
    Ok(HostTable::from_rules(HostTable::builtin().rules().chain(own))?)
}

/// Names and versions of the lists in a table, with how many rules each has, in their order.
pub fn lists(table: &HostTable) -> Vec<(&str, &str, usize)> {
    let mut found: Vec<(&str, &str, usize)> = Vec::new();
    for rule in table.rules() {
        let (name, version) = rule.list.split_once('@').unwrap_or((rule.list, ""));
        match found.iter_mut().find(|(n, v, _)| (*n, *v) == (name, version)) {
            Some((_, _, rules)) => *rules += 1,
            None => found.push((name, version, 1)),
        }
    }
    found
}

/// Writes down which version of each list the events to come were judged by.
fn note_lists(writer: &Writer, table: &HostTable) -> Result<(), StoreError> {
    for (name, version) in table.lists().into_keys().filter_map(|list| list.split_once('@')) {
        writer.version(name, version)?;
    }
    Ok(())
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Two numbers that nobody outside can guess.
fn seed() -> Result<[u64; 2], PlaneError> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| PlaneError::System { what: "read /dev/urandom", error })?;
    let (a, b) = bytes.split_at(8);
    let number = |half: &[u8]| half.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    Ok([number(a), number(b)])
}
