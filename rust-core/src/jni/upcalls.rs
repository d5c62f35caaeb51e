//! What the core asks of the app, from threads of its own.
#![allow(unsafe_code)]

use crate::bridge::{Code, Fault, Upcalls};
use crate::wire::{FiveTuple, Proto};
use ::jni::errors::{Error, Result};
use ::jni::objects::{JObject, JValue};
use ::jni::refs::Global;
use ::jni::{Env, JavaVM, jni_sig, jni_str};
use rustix::fd::{AsRawFd, BorrowedFd};
use std::net::IpAddr;
use std::ptr;

/// The app's `NativeCore.Upcalls`.
pub(super) struct ToApp(Global<JObject<'static>>);

impl ToApp {
    pub(super) fn new(env: &mut Env<'_>, object: &JObject<'_>) -> std::result::Result<Self, Fault> {
        if object.is_null() {
            return Err(Fault::new(Code::BadArgument, "null"));
        }
        Ok(Self(env.new_global_ref(object)?))
    }

    /// Calls on this thread; `None` where the app threw, which is dropped.
    fn call<T>(&self, call: impl FnOnce(&mut Env<'_>, &JObject<'_>) -> Result<T>) -> Option<T> {
        let vm = JavaVM::singleton().ok()?;
        attach_as_daemon(&vm)?;
        let outcome = vm.attach_current_thread(|env| call(env, self.0.as_obj()));
        outcome.map_err(|error: Error| log::debug!("an upcall failed: {error}")).ok()
    }
}

impl Upcalls for ToApp {
    fn connection_owner(&self, tuple: &FiveTuple) -> Option<u32> {
        let protocol = match tuple.proto {
            Proto::Tcp => libc::IPPROTO_TCP,
            Proto::Udp => libc::IPPROTO_UDP,
            // Android tells of TCP and UDP alone.
            Proto::Icmp => return None,
        };
        let uid = self.call(|env, app| {
            let source = env.byte_array_from_slice(&bytes(tuple.src.ip()))?;
            let destination = env.byte_array_from_slice(&bytes(tuple.dst.ip()))?;
            env.call_method(
                app,
                jni_str!("connectionOwner"),
                jni_sig!("(I[BI[BI)I"),
                &[
                    JValue::Int(protocol),
                    JValue::Object(&source),
                    JValue::Int(tuple.src.port().into()),
                    JValue::Object(&destination),
                    JValue::Int(tuple.dst.port().into()),
                ],
            )?
            .i()
        });
        uid.and_then(|uid| u32::try_from(uid).ok())
    }

    fn protect(&self, fd: BorrowedFd<'_>) -> bool {
        let fd = JValue::Int(fd.as_raw_fd());
        let protected = self.call(|env, app| {
            env.call_method(app, jni_str!("protect"), jni_sig!("(I)Z"), &[fd])?.z()
        });
        protected.unwrap_or(false)
    }

    fn ended(&self, code: Code) {
        self.call(|env, app| {
            let code = env.new_string(code.as_str())?;
            let signature = jni_sig!("(Ljava/lang/String;)V");
            env.call_method(app, jni_str!("ended"), signature, &[JValue::Object(&code)])?.v()
        });
    }
}

fn bytes(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    }
}

/// Tells `NativeCore.Progress` on the thread that called; whether to go on. What it throws stays
/// pending, and goes on to whoever called.
pub(super) fn progress(env: &mut Env<'_>, object: &JObject<'_>, done: u64, total: u64) -> bool {
    if object.is_null() {
        return true;
    }
    let number = |count| JValue::Long(i64::try_from(count).unwrap_or(i64::MAX));
    let args = [number(done), number(total)];
    let told = env.call_method(object, jni_str!("update"), jni_sig!("(JJ)Z"), &args);
    told.and_then(|go_on| go_on.z()).unwrap_or(false)
}

/// Detaches its thread when that ends, as the JVM asks of every thread that was attached.
struct Attached;

impl Drop for Attached {
    fn drop(&mut self) {
        let Ok(vm) = JavaVM::singleton() else { return };
        let vm = vm.get_raw();
        // SAFETY: the JVM lives as long as the process, this thread is attached to it, and no
        // frame of Java is below one that ends.
        unsafe { ((**vm).v1_1.DetachCurrentThread)(vm) };
    }
}

thread_local! {
    static ATTACHED: std::cell::OnceCell<Attached> = const { std::cell::OnceCell::new() };
}

/// Makes this thread known to the JVM, until it ends, as one that the JVM does not wait for. The
/// crate itself attaches threads in the other way only.
fn attach_as_daemon(vm: &JavaVM) -> Option<()> {
    ATTACHED.with(|attached| {
        if attached.get().is_some() || vm.is_thread_attached().unwrap_or(true) {
            return Some(());
        }
        let raw = vm.get_raw();
        let mut env = ptr::null_mut();
        // SAFETY: the JVM lives as long as the process; null asks for the usual name and group.
        let result = unsafe {
            ((**raw).v1_4.AttachCurrentThreadAsDaemon)(raw, &raw mut env, ptr::null_mut())
        };
        (result == ::jni::sys::JNI_OK).then(|| attached.get_or_init(|| Attached))?;
        Some(())
    })
}
