//! The `muzzle` command: everything is in [`muzzle::cli`].

// The bridge brings its own.
#[cfg(not(feature = "jni"))]
#[global_allocator]
static ALLOCATOR: muzzle::io::Pages = muzzle::io::Pages;

fn main() -> std::process::ExitCode {
    muzzle::cli::main()
}
