//! The system's log on Android, and what a panic may say there: where it was. Its message may hold
//! what a peer sent.

use log::LevelFilter;
use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Sets the log up, once for the process. DEBUG, where alone names, addresses and payloads stand,
/// is off until [`set_level`] allows it.
pub(super) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(target_os = "android")]
        android_logger::init_once(
            android_logger::Config::default().with_tag("muzzle").with_max_level(LevelFilter::Debug),
        );
        set_level(LevelFilter::Info);
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line()));
            let place = place.unwrap_or_else(|| "an unknown place".to_owned());
            log::error!("a panic at {place}; please report it");
            PLACE.with_borrow_mut(|last| *last = Some(place));
        }));
    });
}

pub(super) fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// Where the panic was that this thread has just caught.
pub(super) fn last_panic() -> String {
    PLACE.with_borrow_mut(Option::take).unwrap_or_else(|| "an unknown place".to_owned())
}
