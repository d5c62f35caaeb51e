//! The natives of `app.muzzle.core.NativeCore`: from the JVM into [`crate::bridge`] and back.
//!
//! Each native goes through one wrapper, which turns whatever goes wrong, a panic too, into a
//! `CoreException` with a code. Never decides anything, and is never asked about a packet.
#![allow(unsafe_code)]

mod fds;
mod handles;
mod logcat;
mod throw;
mod upcalls;

use crate::bridge::{self, Code, Core, Fault};
use crate::limits;
use ::jni::objects::{JClass, JIntArray, JObject, JString};
use ::jni::sys::{JNI_VERSION_1_6, jint, jlong};
use ::jni::{Env, EnvUnowned, JavaVM};
use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;
use throw::Throw;

#[global_allocator]
static ALLOCATOR: crate::io::Pages = crate::io::Pages;

/// Natives of the one Java class. Each is a body that may fail; the rest is the same for all.
macro_rules! natives {
    ($local:lifetime; $(
        $(#[$doc:meta])*
        fn $name:ident($env:ident $(, $arg:ident: $kind:ty)*) $(-> $out:ty)? $body:block
    )+) => {$(
        $(#[$doc])*
        // SAFETY: the name is the one under which the JVM looks for this native, and no other
        // function has it.
        #[unsafe(no_mangle)]
        pub extern "system" fn $name<$local>(
            mut unowned: EnvUnowned<$local>, _class: JClass<$local> $(, $arg: $kind)*
        ) $(-> $out)? {
            unowned
                .with_env(|$env: &mut Env<$local>| -> Result<natives!(@out $($out)?), Fault> { $body })
                .resolve::<Throw>()
        }
    )+};
    (@out) => { () };
    (@out $out:ty) => { $out };
}

natives! { 'local;
    /// See `NativeCore.version`.
    fn Java_app_muzzle_core_NativeCore_version(env) -> JString<'local> {
        give(env, &bridge::version())
    }

    /// See `NativeCore.open`.
    fn Java_app_muzzle_core_NativeCore_open(
        env, config: JString<'local>, upcalls: JObject<'local>
    ) -> jlong {
        let config = text(env, &config, limits::ASKED)?;
        let upcalls = upcalls::ToApp::new(env, &upcalls)?;
        handles::insert(|| {
            let core = Core::start(&config, Arc::new(upcalls))?;
            logcat::set_level(core.log_level());
            Ok(core)
        })
    }

    /// See `NativeCore.attachTun`.
    fn Java_app_muzzle_core_NativeCore_attachTun(
        env, handle: jlong, fd: jint, config: JString<'local>
    ) {
        let tun = fds::take(fd)?;
        let core = handles::get(handle)?;
        core.attach(tun, &text(env, &config, limits::ASKED)?)
    }

    /// See `NativeCore.detachTun`.
    fn Java_app_muzzle_core_NativeCore_detachTun(_env, handle: jlong) {
        handles::get(handle)?.detach()
    }

    /// See `NativeCore.setPolicy`.
    fn Java_app_muzzle_core_NativeCore_setPolicy(
        env, handle: jlong, policy: JString<'local>
    ) -> JString<'local> {
        let core = handles::get(handle)?;
        let policy = text(env, &policy, limits::POLICY_TEXT)?;
        give(env, &core.set_policy(&policy)?)
    }

    /// See `NativeCore.loadSignatures`.
    fn Java_app_muzzle_core_NativeCore_loadSignatures(
        env, handle: jlong, fds: JIntArray<'local>
    ) -> JString<'local> {
        let files = files(env, &fds)?;
        give(env, &handles::get(handle)?.set_lists(files)?)
    }

    /// See `NativeCore.importList`.
    fn Java_app_muzzle_core_NativeCore_importList(
        env, handle: jlong, fd: jint, request: JString<'local>
    ) -> JString<'local> {
        let file = fds::take(fd)?.into();
        let core = handles::get(handle)?;
        let request = text(env, &request, limits::ASKED)?;
        give(env, &core.import_list(file, &request)?)
    }

    /// See `NativeCore.onNetworkChanged`.
    fn Java_app_muzzle_core_NativeCore_onNetworkChanged(
        env, handle: jlong, network: JString<'local>
    ) {
        let core = handles::get(handle)?;
        core.network_changed(&text(env, &network, limits::ASKED)?)
    }

    /// See `NativeCore.nextEvents`.
    fn Java_app_muzzle_core_NativeCore_nextEvents(
        env, handle: jlong, after: jlong, max: jint, timeout_ms: jint
    ) -> JString<'local> {
        let core = handles::get(handle)?;
        let range = |_| Fault::new(Code::BadArgument, "a negative number");
        let max = u32::try_from(max).map_err(range)?;
        let timeout = Duration::from_millis(u64::try_from(timeout_ms).map_err(range)?);
        give(env, &core.next_events(after, max, timeout)?)
    }

    /// See `NativeCore.snapshot`.
    fn Java_app_muzzle_core_NativeCore_snapshot(env, handle: jlong) -> JString<'local> {
        give(env, &handles::get(handle)?.snapshot()?)
    }

    /// See `NativeCore.query`.
    fn Java_app_muzzle_core_NativeCore_query(
        env, handle: jlong, query: JString<'local>
    ) -> JString<'local> {
        let core = handles::get(handle)?;
        let query = text(env, &query, limits::ASKED)?;
        give(env, &core.query(&query)?)
    }

    /// See `NativeCore.command`.
    fn Java_app_muzzle_core_NativeCore_command(env, handle: jlong, command: JString<'local>) {
        let core = handles::get(handle)?;
        core.command(&text(env, &command, limits::ASKED)?)
    }

    /// See `NativeCore.export`.
    fn Java_app_muzzle_core_NativeCore_export(
        env, handle: jlong, fd: jint, request: JString<'local>, progress: JObject<'local>
    ) -> JString<'local> {
        let file = fds::take(fd)?.into();
        let core = handles::get(handle)?;
        let request = text(env, &request, limits::ASKED)?;
        let exported =
            core.export(file, &request, &mut |done, total| {
                upcalls::progress(env, &progress, done, total)
            });
        give(env, &exported?)
    }

    /// See `NativeCore.close`.
    fn Java_app_muzzle_core_NativeCore_close(_env, handle: jlong) {
        handles::remove(handle)?.close()
    }
}

/// Called by the JVM when the library is loaded.
///
/// # Safety
/// `vm` must be the JVM that runs; only the JVM calls this.
// SAFETY: the name is the one under which the JVM looks for this function, and no other has it.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn JNI_OnLoad(vm: *mut ::jni::sys::JavaVM, _: *mut c_void) -> jint {
    logcat::begin();
    // SAFETY: the JVM passes itself, and lives as long as the process.
    let vm = unsafe { JavaVM::from_raw(vm) };
    match vm.attach_current_thread(throw::find_class) {
        Ok(()) => JNI_VERSION_1_6,
        // The JVM then refuses the library with an UnsatisfiedLinkError.
        Err(_) => ::jni::sys::JNI_ERR,
    }
}

/// A text of the app.
fn text(env: &mut Env<'_>, from: &JString<'_>, most: usize) -> Result<String, Fault> {
    if from.is_null() {
        return Err(Fault::new(Code::BadArgument, "null"));
    }
    let chars = from.mutf8_chars(env)?;
    if chars.to_bytes().len() > most {
        return Err(Fault::new(Code::BadArgument, "a text is too long"));
    }
    Ok(chars.to_string())
}

/// An answer to the app.
fn give<'local>(env: &mut Env<'local>, answer: &str) -> Result<JString<'local>, Fault> {
    Ok(env.new_string(answer)?)
}

/// Takes the descriptors of an array, all or, where one is bad, none but those that are good.
fn files(env: &mut Env<'_>, fds: &JIntArray<'_>) -> Result<Vec<std::fs::File>, Fault> {
    if fds.is_null() {
        return Err(Fault::new(Code::BadArgument, "null"));
    }
    let count = fds.len(env)?;
    if count > limits::OWN_LISTS {
        return Err(Fault::new(Code::BadArgument, "more lists than there may be"));
    }
    let mut numbers = [0; limits::OWN_LISTS];
    let numbers = &mut numbers[..count];
    fds.get_region(env, 0, numbers)?;
    // Each is taken, so that each that is open is closed whatever the others are.
    let taken: Vec<_> = numbers.iter().map(|fd| fds::take(*fd)).collect();
    taken.into_iter().map(|fd| Ok(fd?.into())).collect()
}
