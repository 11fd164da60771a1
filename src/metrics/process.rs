//! The process, under the names that every Prometheus client uses.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{UsageWho, getrusage};

use super::exposition::{Exposition, Kind};

/// Memory, processor time and descriptors, as far as the system tells.
pub(super) fn write(text: &mut Exposition, uptime: Duration) {
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        let seconds = |time: nix::sys::time::TimeVal| {
            time.tv_sec() as f64 + time.tv_usec() as f64 / 1_000_000.0
        };
        text.single(
            "process_cpu_seconds_total",
            Kind::Counter,
            "Processor time used, in seconds.",
            seconds(usage.user_time()) + seconds(usage.system_time()),
        );
    }
    for (key, name, help) in [
        ("VmRSS:", "process_resident_memory_bytes", "Memory in use."),
        ("VmSize:", "process_virtual_memory_bytes", "Memory mapped."),
    ] {
        if let Some(bytes) = memory(key) {
            text.single(name, Kind::Gauge, help, bytes);
        }
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        let help = "Open file descriptors.";
        text.single("process_open_fds", Kind::Gauge, help, open.count());
    }
    let started = SystemTime::now().checked_sub(uptime);
    let started = started.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    if let Some(started) = started {
        text.single(
            "process_start_time_seconds",
            Kind::Gauge,
            "When the process started, in seconds since 1970.",
            started.as_secs_f64(),
        );
    }
}

/// Bytes behind `key` in /proc/self/status.
fn memory(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
