//! `muzzle run`: the core on a Linux TUN.

use super::files::{OwnLists, read_policy};
use super::routes::{MARK, Routes};
use super::{Failure, tun};
use crate::engine::{Reach, Rules};
use crate::io::{self, Bypass, Owners, ProcNet, SockDiag};
use crate::names::FakePool;
use crate::policy::Warning;
use crate::service::{Attach, PlaneState, Service};
use crate::store::{self, Config as StoreConfig, StoreError, Writer};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::IsTerminal;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Watch a TUN interface: stop, record and decode telemetry as the policy says.
///
/// Makes the interface, answers names on 198.18.0.2 and fd6d:757a:7a6c::2, and gives listed names
/// addresses behind it. Point the system's resolver there. SIGHUP reads policy, lists and
/// /etc/resolv.conf (without --upstream) again; SIGINT and SIGTERM end in order.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  muzzle run --db log.db --policy policy.toml --upstream 192.0.2.53"
)]
pub(crate) struct Args {
    /// Name of the interface to make
    #[arg(long, value_name = "NAME", default_value = "muzzle0")]
    tun: String,
    /// Database to write; made where it is missing
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// The owner's choices; without it every listed host is blocked for every app
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    lists: OwnLists,
    /// Resolver to ask for all other names, with or without a port; may be given again.
    /// Without it, those of /etc/resolv.conf
    #[arg(long, value_name = "ADDR")]
    upstream: Vec<String>,
    /// What comes to Muzzle
    #[arg(long, value_enum, default_value_t = ReachArg::Light)]
    reach: ReachArg,
    /// Days to keep events; 0 keeps them for ever
    #[arg(long, value_name = "DAYS", default_value_t = store::RETENTION_DAYS)]
    keep: u32,
    /// Print a line of counts each second, on a terminal
    #[arg(long)]
    status: bool,
}

/// See [`Reach`].
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ReachArg {
    /// Questions for names and flows to listed names; all else goes its own way
    Light,
    /// Everything: hosts are also known by what connections say of themselves. Routes all of this
    /// network namespace into the interface (experimental)
    Deep,
}

const DNS_PORT: u16 = 53;
const RESOLV_CONF: &str = "/etc/resolv.conf";

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let rules = load_rules(&args)?;
    let resolvers = resolvers(&args.upstream)?;
    let store_failed =
        |error: StoreError| Failure::new(format_args!("{}: {error}", args.db.display()));
    let mut store = StoreConfig::new(&args.db);
    store.retention_days = args.keep;
    let service = Arc::new(Service::open(store, rules).map_err(store_failed)?);
    let tun = tun::open(&args.tun)?;
    let deep = args.reach == ReachArg::Deep;
    let reach = if deep { Reach::Deep } else { Reach::Light };
    let routes = if deep { Some(Routes::add(&args.tun)?) } else { None };
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Failure::new(format_args!("cannot listen for signals: {error}")))?;
    let listening = signals.handle();
    raise_descriptor_limit();
    let attach = Attach {
        tun,
        reach,
        resolvers,
        watch_addresses: true,
        bypass: if deep { Bypass::Mark(MARK) } else { Bypass::Anyway },
        owners: owners(),
        ended: Box::new(move |_| listening.close()),
    };
    service.attach(attach).map_err(Failure::new)?;
    service.with_writer(Writer::run_begins).map_err(store_failed)?;
    obey(&service, &mut signals, &args);
    let outcome = service.detach();
    drop(routes);
    let failed = matches!(outcome, Some(Err(_)));
    let noted = service.with_writer(|writer| writer.run_ends(failed.then_some("failed")));
    let closed = noted.and(service.close());
    if let Some(outcome) = outcome {
        let counted = outcome.map_err(Failure::new)?;
        anstream::eprintln!("{}", summary(&counted));
    }
    closed.map_err(store_failed)?;
    Ok(ExitCode::SUCCESS)
}

/// Obeys signals until the data plane has ended.
fn obey(service: &Arc<Service>, signals: &mut Signals, args: &Args) {
    if args.status && std::io::stderr().is_terminal() {
        let service = Arc::clone(service);
        thread::spawn(move || show_status(&service));
    }
    anstream::eprintln!("ready: interface {}, database {}", args.tun, args.db.display());
    for signal in signals {
        match signal {
            SIGHUP => reload(service, args),
            _ => service.ask_to_stop(),
        }
    }
}

/// Reads the policy, and the system's resolvers, again. A policy with an error changes nothing.
fn reload(service: &Service, args: &Args) {
    match load_rules(args) {
        Ok(rules) => {
            // The store's own state tells, if the versions of the lists could not be written.
            let _ = service.set_rules(rules);
            if args.upstream.is_empty()
                && let Ok(resolvers) = system_resolvers()
            {
                service.network_changed(&resolvers);
            }
            anstream::eprintln!("policy: read again");
        }
        Err(failure) => anstream::eprintln!("muzzle: {failure}; the old policy stays in force"),
    }
}

fn show_status(service: &Service) {
    while let PlaneState::Running { counted, .. } = service.plane() {
        anstream::eprint!("\r\x1b[K{}", summary(&counted));
        thread::sleep(Duration::from_secs(1));
    }
}

fn summary(counted: &io::Snapshot) -> String {
    let counters = &counted.counters;
    let mut text = format!(
        "{} questions, {} answered here, {} stopped, {} flows held",
        counters.questions, counters.answered, counters.blocked, counted.flows
    );
    for (why, count) in counters.drops() {
        text.push_str(&format!(", {}: {count}", why.as_str()));
    }
    text
}

fn load_rules(args: &Args) -> Result<Rules, Failure> {
    let table = Arc::new(args.lists.table()?);
    let policy = read_policy(args.policy.as_deref())?;
    for warning in policy.warnings(&table) {
        anstream::eprintln!("warning: {}", words(&warning));
    }
    Ok(Rules { table, policy })
}

fn words(warning: &Warning) -> String {
    match warning {
        Warning::NeverBlockHost { host, side_effect, .. } => {
            format!(
                "your rule about {host} reaches a host that is never blocked otherwise: {side_effect}"
            )
        }
        Warning::UnknownApp { host, package } => {
            format!(
                "your rule about {host} names {package}, which no [[app]] does; it never applies"
            )
        }
        Warning::UnknownList { list } => {
            format!("[lists] switches {list}, and there is no such list; see muzzle lists")
        }
    }
}

fn resolvers(given: &[String]) -> Result<Vec<SocketAddr>, Failure> {
    if given.is_empty() {
        return system_resolvers();
    }
    given.iter().map(|text| resolver(text)).collect()
}

fn resolver(text: &str) -> Result<SocketAddr, Failure> {
    let addr = text
        .parse()
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT)))
        .map_err(|_| Failure::with_code(2, "--upstream takes an address, such as 192.0.2.53"))?;
    if FakePool::covers(addr.ip()) {
        return Err(Failure::with_code(2, "--upstream is Muzzle's own address; name another"));
    }
    Ok(addr)
}

fn system_resolvers() -> Result<Vec<SocketAddr>, Failure> {
    let text = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    let found = parse_resolv_conf(&text);
    if found.is_empty() {
        let hint = "name one with --upstream";
        return Err(Failure::new(format_args!("{RESOLV_CONF} names no other resolver; {hint}")));
    }
    Ok(found)
}

/// The `nameserver` lines (resolv.conf(5)), without our own addresses.
fn parse_resolv_conf(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|addr| addr.trim().parse::<IpAddr>().ok())
        .filter(|addr| !FakePool::covers(*addr))
        .map(|addr| SocketAddr::new(addr, DNS_PORT))
        .take(3)
        .collect()
}

/// Takes as many descriptors as the system allows: each flow holds one.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        log::debug!("the limit of open files stays as it is ({error})");
    }
}

/// The kernel's own look-up; where it has none, the tables that it shows.
fn owners() -> Box<dyn Owners> {
    match SockDiag::new() {
        Ok(kernel) => Box::new(kernel),
        Err(error) => {
            log::info!("no sock_diag ({error}); owners are read from /proc/net");
            Box::new(ProcNet::default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_from_the_systems_file_without_our_own() {
        let text =
            "# x\nnameserver 198.18.0.2\nnameserver 192.0.2.1\n nameserver fd00::53 \nsearch a\n";
        let expected: Vec<SocketAddr> =
            vec!["192.0.2.1:53".parse().unwrap(), "[fd00::53]:53".parse().unwrap()];
        assert_eq!(parse_resolv_conf(text), expected);
    }

    #[test]
    fn an_upstream_may_have_a_port_and_must_not_be_ourselves() {
        assert_eq!(resolver("192.0.2.1").unwrap().to_string(), "192.0.2.1:53");
        assert_eq!(resolver("[::1]:5353").unwrap().to_string(), "[::1]:5353");
        assert!(resolver("198.18.0.2").is_err());
        assert!(resolver("dns.example").is_err());
    }
}
