//! Errors and panics as `CoreException`.

use super::logcat;
use crate::bridge::{Code, Fault};
use ::jni::errors::{Error, ErrorPolicy, Result};
use ::jni::objects::{JClass, JThrowable, JValue};
use ::jni::refs::Global;
use ::jni::{Env, jni_sig, jni_str};
use std::any::Any;
use std::sync::OnceLock;

/// Looked up while the library is loaded: threads of ours do not see the app's classes.
static CLASS: OnceLock<Global<JClass<'static>>> = OnceLock::new();

pub(super) fn find_class(env: &mut Env<'_>) -> Result<()> {
    let class = env.find_class(jni_str!("app/muzzle/core/CoreException"))?;
    // A second load in one process finds the same class.
    let _ = CLASS.set(env.new_global_ref(class)?);
    Ok(())
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::NullPtr(_) => Self::new(Code::BadArgument, "null"),
            error => Self::new(Code::System, error),
        }
    }
}

/// Throws what went wrong, and gives Java a null or a zero that it never sees.
pub(super) struct Throw;

impl<T: Default> ErrorPolicy<T, Fault> for Throw {
    type Captures<'local: 'native, 'native> = ();

    fn on_error<'local: 'native, 'native>(
        env: &mut Env<'local>,
        (): &mut (),
        fault: Fault,
    ) -> Result<T> {
        throw(env, &fault)?;
        Ok(T::default())
    }

    fn on_panic<'local: 'native, 'native>(
        env: &mut Env<'local>,
        (): &mut (),
        payload: Box<dyn Any + Send>,
    ) -> Result<T> {
        // To drop what a panic carried may panic again; it is seldom more than a text.
        std::mem::forget(payload);
        throw(env, &Fault::new(Code::Panic, logcat::last_panic()))?;
        Ok(T::default())
    }
}

fn throw(env: &mut Env<'_>, fault: &Fault) -> Result<()> {
    // What the app's own code threw goes on.
    if env.exception_check() {
        return Ok(());
    }
    let class = CLASS.get().ok_or(Error::NullPtr("CoreException"))?;
    let code = env.new_string(fault.code.as_str())?;
    let detail = env.new_string(&fault.detail)?;
    let exception = env.new_object(
        class,
        jni_sig!("(Ljava/lang/String;Ljava/lang/String;)V"),
        &[JValue::Object(&code), JValue::Object(&detail)],
    )?;
    let exception = env.cast_local::<JThrowable<'_>>(exception)?;
    // To have thrown is told as an error, too.
    let _ = env.throw(exception);
    Ok(())
}
