//! How servers and resolvers of the fake world behave.

/// How a server takes a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    Accept,
    Refuse,
    /// The network says no after a while.
    Unreachable,
    /// The system says no at once: there is no route.
    NoRoute,
    NoDescriptor,
    /// Nothing is ever heard.
    Silent,
}

/// When a server ends its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fin {
    /// After the app's end and everything that it has to say.
    AfterApp,
    /// After its greeting.
    AfterGreeting,
    /// After so many bytes were received and replied to.
    AfterBytes(usize),
    Never,
}

/// What a server does.
#[derive(Clone, Debug)]
pub struct Script {
    pub connect: Connect,
    /// From a connect to its outcome, and from bytes to the reply.
    pub latency_us: i64,
    pub greeting: Vec<u8>,
    pub echo: bool,
    /// Said when so many bytes were received.
    pub replies: Vec<(usize, Vec<u8>)>,
    pub fin: Fin,
    pub reset_after: Option<usize>,
    /// Bytes that it holds unread, and how long it takes to read half of them; 0 for no time.
    pub window: usize,
    pub read_us: i64,
    /// Largest piece that one read of the engine brings.
    pub piece: usize,
    /// Speaks DNS over TCP.
    pub dns: bool,
    /// Largest packet that the path to it takes.
    pub mtu: u16,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            connect: Connect::Accept,
            latency_us: 2000,
            greeting: Vec::new(),
            echo: false,
            replies: Vec::new(),
            fin: Fin::AfterApp,
            reset_after: None,
            window: 1 << 20,
            read_us: 0,
            piece: usize::MAX,
            dns: false,
            mtu: u16::MAX,
        }
    }
}

impl Script {
    pub fn echo() -> Self {
        Self { echo: true, ..Self::default() }
    }

    pub fn connect(connect: Connect) -> Self {
        Self { connect, ..Self::default() }
    }

    pub fn greets(bytes: &[u8]) -> Self {
        Self { greeting: bytes.to_vec(), ..Self::default() }
    }
}

/// How a resolver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Answer,
    Silent,
    WrongId,
    WrongQuestion,
    Truncate,
    /// Truncated, and said twice.
    TruncateTwice,
}
