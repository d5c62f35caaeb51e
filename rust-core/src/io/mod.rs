//! The data plane's thread: one epoll over the TUN, the network's sockets and a wake-up.
//!
//! The only place with a clock and descriptors. Never decides and never parses. Waits without a
//! timeout while nothing is due, so an idle phone is not woken.

mod addresses;
mod batch;
mod lookups;
mod owner;
mod proc_net;
mod sys;
#[cfg(test)]
mod tests;
mod world;

pub use owner::{Owners, SockDiag};
pub use proc_net::ProcNet;
pub use sys::{Mapped, Pages};
#[cfg(feature = "cli")]
pub use sys::{add_ipv6, take_descriptor};

use crate::engine::{Counters, Engine, Now, Readiness, Rules};
use crate::event::Record;
use crate::flow::Token;
use crate::limits;
use addresses::Addresses;
use lookups::Lookups;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use world::{Source, World};

/// Why the data plane ended.
#[derive(Debug, thiserror::Error)]
pub enum IoError {
    /// The TUN went away or cannot be read.
    #[error("the TUN interface is gone ({0}); start again")]
    Tun(Errno),
    /// The system refused something that the thread cannot do without.
    #[error("cannot {what} ({error})")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: Errno,
    },
}

/// Version of the shape of [`Snapshot`] as JSON.
pub const SNAPSHOT_VERSION: u32 = 1;

/// What the thread was at when it was asked. As JSON it is one object, with what the engine
/// counted among the others, and `drops` by code.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    /// [`SNAPSHOT_VERSION`].
    pub v: u32,
    /// Since the data plane began, milliseconds.
    pub uptime_ms: u64,
    /// What the engine counted.
    #[serde(flatten)]
    pub counters: Counters,
    /// Flows held.
    pub flows: usize,
    /// Questions that wait for the upstream resolver.
    pub questions_waiting: usize,
    /// Bytes of TCP buffers that hold, or held, something.
    pub touched_bytes: usize,
}

enum Command {
    Rules(Box<Rules>),
    Owner(Token, Option<u32>),
    Network(Vec<SocketAddr>),
    Stop,
}

/// Speaks to a running data plane from another thread. Calls after its end do nothing.
#[derive(Clone)]
pub struct Control {
    commands: Sender<Command>,
    wake: Arc<OwnedFd>,
    begun: Instant,
    shown: Weak<Mutex<Snapshot>>,
}

impl Control {
    /// New lists and choices; see [`Engine::set_rules`].
    pub fn set_rules(&self, rules: Rules) {
        self.say(Command::Rules(Box::new(rules)));
    }

    /// The network is another one, with these upstream resolvers (none: those before); see
    /// [`Engine::handle_network_change`].
    pub fn network_changed(&self, resolvers: Vec<SocketAddr>) {
        self.say(Command::Network(resolvers));
    }

    /// What was counted up to the thread's last turn; `None` after the end. Wakes nobody.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let shown = self.shown.upgrade()?;
        let uptime_ms = self.begun.elapsed().as_millis() as u64;
        let snapshot = locked(&shown).clone();
        Some(Snapshot { uptime_ms, ..snapshot })
    }

    /// Ends the data plane in order: flows are closed, records completed.
    pub fn stop(&self) {
        self.say(Command::Stop);
    }

    fn say(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            // The counter cannot be full: the thread empties it at each wake.
            let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        }
    }
}

/// What a lock holds. A panic leaves that whole: each change under one is a single assignment, and a
/// reader of the store answers the next query all the same.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The data plane, ready to run on a thread of its own.
pub struct DataPlane {
    engine: Engine,
    world: World,
    commands: Receiver<Command>,
    wake: Arc<OwnedFd>,
    addresses: Option<Addresses>,
    begun: Instant,
    shown: Arc<Mutex<Snapshot>>,
    /// Most flows since the last time there was none.
    busiest: usize,
    /// What the store knows of what was dropped, and since when.
    told: Counters,
    told_us: i64,
}

const TELL_DROPS_US: i64 = limits::TELL_DROPS.as_micros() as i64;

/// Flows held at once that make a time a busy one.
const BUSY: usize = 1000;

/// How our own sockets pass by the TUN.
#[derive(Clone, Default)]
pub enum Bypass {
    /// They do so anyway.
    #[default]
    Anyway,
    /// Their packets are marked (SO_MARK), and routing rules look for that.
    Mark(u32),
    /// Each is shown to somebody who sees to it; where that fails, it is not used. Must not block.
    Ask(Arc<dyn Fn(BorrowedFd<'_>) -> bool + Send + Sync>),
}

/// What the data plane is made of.
pub struct Parts {
    /// The TUN; it is made non-blocking. No ioctl is ever called on it.
    pub tun: OwnedFd,
    /// The engine.
    pub engine: Engine,
    /// Upstream resolvers, the same as the engine's.
    pub resolvers: Vec<SocketAddr>,
    /// How our own sockets pass by the TUN.
    pub bypass: Bypass,
    /// Tells who owns a flow, on a thread of its own.
    pub owners: Box<dyn Owners>,
    /// Takes records, and says whether there was room; must not block.
    pub records: Box<dyn FnMut(Record) -> bool + Send>,
}

impl DataPlane {
    /// Opens what the thread needs.
    pub fn new(parts: Parts) -> Result<(Self, Control), IoError> {
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)
            .map_err(|error| IoError::System { what: "make an event descriptor", error })?;
        let (sender, commands) = channel();
        let wake = Arc::new(wake);
        let begun = Instant::now();
        let shown = Arc::new(Mutex::new(Snapshot { v: SNAPSHOT_VERSION, ..Snapshot::default() }));
        let control = Control {
            commands: sender,
            wake: Arc::clone(&wake),
            begun,
            shown: Arc::downgrade(&shown),
        };
        let lookups = Lookups::begin(parts.owners, control.clone())?;
        let world = World::new(parts.tun, &parts.resolvers, parts.bypass, lookups, parts.records)?;
        world.watch(&wake, Source::Wake)?;
        Ok((
            Self {
                engine: parts.engine,
                world,
                commands,
                wake,
                addresses: None,
                begun,
                shown,
                busiest: 0,
                told: Counters::default(),
                told_us: -TELL_DROPS_US,
            },
            control,
        ))
    }

    /// Sees by itself when addresses of this device come and go. Android tells instead, and its
    /// apps may not ask: [`Control::network_changed`].
    pub fn watch_addresses(&mut self) -> Result<(), IoError> {
        let what = "watch the addresses";
        let watch = Addresses::watch().map_err(|error| IoError::System { what, error })?;
        self.world.watch(&watch.0, Source::Network)?;
        self.addresses = Some(watch);
        Ok(())
    }

    /// Runs until it is stopped or the TUN goes away. Returns what was counted.
    pub fn run(mut self) -> Result<Snapshot, IoError> {
        let mut events = Vec::with_capacity(256);
        let mut packet = vec![0; limits::PACKET];
        let mut more = false;
        let outcome = loop {
            if let Err(error) = self.wait(&mut events, more) {
                break Err(error);
            }
            let now = self.now();
            let mut read_tun = false;
            let mut stop = false;
            let mut moved = false;
            for event in events.drain(..) {
                match Source::of(event) {
                    Source::Tun => read_tun |= self.world.tun_event(event.flags),
                    Source::Wake => stop |= self.obey(now),
                    Source::Network => {
                        moved |= self.addresses.as_ref().is_some_and(Addresses::changed);
                    }
                    Source::Resolver(index) => self.read_answers(now, index, &mut packet),
                    Source::Flow(token) => self.socket_event(now, token, event.flags),
                }
            }
            if moved {
                self.engine.handle_network_change(now, &[], &mut self.world);
            }
            if read_tun && let Err(errno) = self.read_packets(now, &mut packet) {
                break Err(IoError::Tun(errno));
            }
            self.engine.handle_timeout(now, &mut self.world);
            more = self.engine.flush(now, &mut self.world);
            self.rest();
            *locked(&self.shown) = self.snapshot(now);
            if now.mono_us - self.told_us >= TELL_DROPS_US {
                self.tell_drops(now);
            }
            if stop {
                break Ok(());
            }
        };
        let now = self.now();
        self.engine.shut_down(now, &mut self.world);
        self.tell_drops(now);
        outcome.map(|()| self.snapshot(now))
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono_us: self.begun.elapsed().as_micros() as i64, wall_ms: wall.as_millis() as i64 }
    }

    /// Waits for something to happen; not at all where there is more to do.
    fn wait(&mut self, events: &mut Vec<epoll::Event>, more: bool) -> Result<(), IoError> {
        let timeout = if more {
            Some(Timespec { tv_sec: 0, tv_nsec: 0 })
        } else {
            self.engine.deadline().map(|at| {
                // Rounded up to whole milliseconds: to wake too early is to wake twice.
                let left = at - self.begun.elapsed().as_micros() as i64;
                let ms = (left.max(0) + 999) / 1000;
                Timespec { tv_sec: ms / 1000, tv_nsec: (ms % 1000) * 1_000_000 }
            })
        };
        let room = rustix::buffer::spare_capacity(events);
        match epoll::wait(self.world.epoll(), room, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(IoError::System { what: "wait for packets", error }),
        }
    }

    /// After a busy time is over, what it took is given back.
    fn rest(&mut self) {
        let flows = self.engine.flow_count();
        self.busiest = self.busiest.max(flows);
        if flows == 0 && self.busiest > BUSY {
            self.busiest = 0;
            sys::give_memory_back();
        }
    }

    /// Tells the store what was dropped since it was told last. The last drops before a quiet time
    /// are told after it: no phone is woken for them.
    fn tell_drops(&mut self, now: Now) {
        let counters = self.engine.counters();
        if !counters.dropped_since(&self.told) {
            return;
        }
        if self.world.tell(Record::Dropped(counters.drops_since(&self.told))) {
            self.told = counters.clone();
        }
        self.told_us = now.mono_us;
    }

    fn read_packets(&mut self, now: Now, buffer: &mut [u8]) -> Result<(), Errno> {
        let mut bytes = 0;
        for _ in 0..limits::TUN_BATCH {
            match self.world.read_packet(buffer) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(len) => {
                    self.engine.handle_packet(now, &buffer[..len], &mut self.world);
                    bytes += len;
                    if bytes >= limits::TUN_BATCH_BYTES {
                        break;
                    }
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn read_answers(&mut self, now: Now, resolver: usize, buffer: &mut [u8]) {
        for _ in 0..limits::TUN_BATCH {
            let Some(len) = self.world.read_answer(resolver, buffer) else { break };
            self.engine.handle_answer(now, &mut buffer[..len], &mut self.world);
        }
    }

    fn socket_event(&mut self, now: Now, token: Token, flags: epoll::EventFlags) {
        use epoll::EventFlags as F;
        let broken = flags.intersects(F::ERR | F::HUP);
        let ready = Readiness {
            readable: broken || flags.intersects(F::IN | F::RDHUP),
            writable: broken || flags.contains(F::OUT),
            failed: flags.contains(F::ERR),
        };
        self.engine.handle_socket(now, token, ready, &mut self.world);
    }

    /// Does what other threads asked for; whether the end was among it.
    fn obey(&mut self, now: Now) -> bool {
        let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
        let mut stop = false;
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Rules(rules) => self.engine.set_rules(now, *rules, &mut self.world),
                Command::Owner(token, uid) => {
                    self.engine.handle_owner(now, token, uid, &mut self.world);
                }
                Command::Network(resolvers) => {
                    self.engine.handle_network_change(now, &resolvers, &mut self.world);
                }
                Command::Stop => stop = true,
            }
        }
        stop
    }

    fn snapshot(&self, now: Now) -> Snapshot {
        Snapshot {
            v: SNAPSHOT_VERSION,
            uptime_ms: (now.mono_us / 1000) as u64,
            counters: self.engine.counters().clone(),
            flows: self.engine.flow_count(),
            questions_waiting: self.engine.questions_waiting(),
            touched_bytes: self.engine.touched(),
        }
    }
}
