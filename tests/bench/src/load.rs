//! The load programs: `wrk` for many requests, `curl` for long bodies.

use std::{
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

use crate::systems::System;

/// The share of requests that may fail at the socket before a turn counts as broken.
const MAX_SOCKET_ERRORS: f64 = 0.001;

/// Returns requests per second.
pub(crate) fn wrk(
    system: &System,
    file: &str,
    connections: usize,
    closes: bool,
    seconds: u64,
) -> Result<f64> {
    let mut command = Command::new("wrk");
    command.args(["--threads", "1", "--timeout", "10s"]);
    command.args(["--connections", &connections.to_string(), "--duration", &format!("{seconds}s")]);
    headers(&mut command, system);
    if closes {
        command.args(["-H", "Connection: close"]);
    }
    command.arg(url(system, file));
    let output = command.output().context("cannot start wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    read_wrk(&text)
}

fn read_wrk(text: &str) -> Result<f64> {
    if let Some(line) = text.lines().find(|line| line.contains("Non-2xx")) {
        bail!("wrong answers: {}", line.trim());
    }
    let requests = text.lines().find_map(|line| line.trim().strip_suffix(" read"));
    let requests = requests.and_then(|line| line.split(' ').next()?.parse::<f64>().ok());
    let failed: f64 = match text.lines().find(|line| line.contains("Socket errors:")) {
        Some(line) => line.split([' ', ',']).filter_map(|word| word.parse::<f64>().ok()).sum(),
        None => 0.0,
    };
    if requests.is_none_or(|requests| failed > requests * MAX_SOCKET_ERRORS) {
        bail!("{failed} of {} requests failed", requests.unwrap_or_default());
    }
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    rate.and_then(|rate| rate.trim().parse().ok()).with_context(|| format!("wrk says {text:?}"))
}

/// Returns bytes per second of all together.
pub(crate) fn curls(system: &System, file: &str, size: u64, streams: usize) -> Result<f64> {
    let begun = Instant::now();
    let running: Vec<Child> = (0..streams).map(|_| curl(system, file)).collect::<Result<_>>()?;
    for child in running {
        let output = child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() || text != format!("200 {size}") {
            bail!("curl says {text:?} and ends with {}", output.status);
        }
    }
    Ok((size * streams as u64) as f64 / begun.elapsed().as_secs_f64())
}

fn curl(system: &System, file: &str) -> Result<Child> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--noproxy", "*", "--output", "/dev/null"]);
    command.args(["--max-time", "120", "--write-out", "%{http_code} %{size_download}"]);
    headers(&mut command, system);
    command.arg(url(system, file)).stdout(Stdio::piped());
    command.spawn().context("cannot start curl")
}

fn headers(command: &mut Command, system: &System) {
    for (name, value) in &system.headers {
        command.args(["-H", &format!("{name}: {value}")]);
    }
}

fn url(system: &System, file: &str) -> String {
    format!("http://{}/{file}", system.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "Running 1s test @ http://127.0.0.1:1/x
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.08ms  318.34us   6.66ms   84.60%
  29536 requests in 1.00s, 37.86MB read
SOCKET
Requests/sec:  29502.77
Transfer/sec:     37.82MB
";

    #[test]
    fn reads_what_wrk_says() {
        let check = |extra: &str| read_wrk(&OUTPUT.replace("SOCKET", extra));
        assert_eq!(check("").unwrap(), 29502.77);
        assert_eq!(
            check("  Socket errors: connect 0, read 3, write 0, timeout 0").unwrap(),
            29502.77
        );
        assert!(check("  Socket errors: connect 0, read 300, write 0, timeout 0").is_err());
        assert!(check("  Non-2xx or 3xx responses: 1").is_err());
        assert!(read_wrk("").is_err());
    }
}
