//! The `muzzle` command: everything is in [`muzzle::cli`].

fn main() -> std::process::ExitCode {
    muzzle::cli::main()
}
