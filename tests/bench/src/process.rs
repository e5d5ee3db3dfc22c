//! Programs that run beside this one, and what they cost, as `/proc` tells it.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// How long a program may take to say that it is ready.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How often is looked whether memory still grows.
const SETTLING: Duration = Duration::from_secs(1);

/// How often at most: memory that still grows after that is counted as it is.
const MAX_LOOKS: usize = 20;

/// Says by name what must be installed when a program is missing.
pub(crate) fn require(program: &str, package: &str) -> Result<()> {
    let found = env::var_os("PATH").is_some_and(|path| {
        env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
            .any(|folder| folder.join(program).is_file())
    });
    if !found {
        bail!("{program} is missing: install the package {package} (apt install {package})");
    }
    Ok(())
}

/// A program that ends with this value.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::piped()).spawn();
        Ok(Self { child: child.with_context(|| format!("cannot start {command:?}"))? })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first line that the program prints; what comes after it is read and dropped,
    /// so that the program never waits for us.
    pub(crate) fn first_line(&mut self, patience: Duration) -> Result<String> {
        let output = self.child.stdout.take().context("its output is read already")?;
        let (line, first) = mpsc::sync_channel(1);
        thread::spawn(move || drain(output, &line));
        first.recv_timeout(patience).context("it did not say that it is ready")
    }
}

fn drain(output: ChildStdout, first: &mpsc::SyncSender<String>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        // Nobody wants more than the first.
        let _ = first.try_send(line);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx only takes its workers along when it is asked to stop.
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time used so far.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    at: Instant,
    /// By the whole computer.
    busy: f64,
    /// By this program and those that it waited for.
    own: f64,
    /// By each of the processes asked for, with its children.
    by_name: Vec<(&'static str, f64)>,
}

/// What was used in between, in seconds of processor time.
#[derive(Clone, Debug)]
pub(crate) struct Used {
    pub(crate) by_name: Vec<(&'static str, f64)>,
    /// The share of the computer that went to others.
    pub(crate) foreign: f64,
}

impl Usage {
    pub(crate) fn now(processes: &[(&'static str, u32)]) -> Result<Self> {
        let parents = parents()?;
        let mut by_name = Vec::new();
        for &(name, id) in processes {
            let children =
                parents.iter().filter(|(_, parent)| *parent == id).map(|(child, _)| *child);
            let mut seconds = 0.0;
            for id in children.chain([id]) {
                seconds += times(&id.to_string(), 0)?;
            }
            by_name.push((name, seconds));
        }
        let own = times("self", 0)? + times("self", 2)?;
        Ok(Self { at: Instant::now(), busy: busy()?, own, by_name })
    }

    pub(crate) fn since(&self, before: &Self) -> Used {
        let by_name: Vec<_> = self
            .by_name
            .iter()
            .zip(&before.by_name)
            .map(|((name, after), (_, before))| (*name, after - before))
            .collect();
        let ours = self.own - before.own + by_name.iter().map(|(_, seconds)| seconds).sum::<f64>();
        let cores = thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let available = (self.at - before.at).as_secs_f64() * cores;
        let foreign = ((self.busy - before.busy - ours) / available).max(0.0);
        Used { by_name, foreign }
    }
}

fn tick() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// Returns user and system time of a process, or (two fields later) of the children it waited for.
fn times(id: &str, later: usize) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))
        .with_context(|| format!("process {id} is gone"))?;
    // The name, in parentheses, may hold anything; `utime` is the twelfth field after it.
    let (_, fields) = stat.rsplit_once(')').context("/proc is not as expected")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    let (user, system) = (field(11 + later), field(12 + later));
    Ok((user.unwrap_or_default() + system.unwrap_or_default()) / tick())
}

/// Returns all processes with their parents.
fn parents() -> Result<Vec<(u32, u32)>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Processes come and go while we look.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, fields)| fields.split_whitespace().nth(1)?.parse().ok());
        parents.extend(parent.map(|parent| (id, parent)));
    }
    Ok(parents)
}

fn busy() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc is not as expected")?;
    let fields: Vec<f64> =
        line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; what follows is part of user.
    let busy: f64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|&index| fields.get(index)).sum();
    Ok(busy / tick())
}

/// Returns how much memory a process has, in bytes.
pub(crate) fn resident(id: u32) -> Result<u64> {
    memory(id, "VmRSS:")
}

/// Returns the most memory that a process ever had, in bytes.
pub(crate) fn most_resident(id: u32) -> Result<u64> {
    memory(id, "VmHWM:")
}

fn memory(id: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kib.context("/proc is not as expected")? * 1024)
}

/// Returns how much memory a process has when it has stopped growing.
pub(crate) fn settled_resident(id: u32) -> Result<u64> {
    let mut last = resident(id)?;
    for _ in 0..MAX_LOOKS {
        thread::sleep(SETTLING);
        let now = resident(id)?;
        if now.abs_diff(last) < last / 200 {
            return Ok(now);
        }
        last = now;
    }
    Ok(last)
}
