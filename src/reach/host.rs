//! One host: asks and writes through whatever way leads there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::local::{self, Output};
use super::script::{self, Answer, Setting};
use super::ssh::Link;
use super::ssh_queue::{Crowd, Jumps};
use super::{Failure, HostReading, Limits, Logins, Written, ssh_once};
use crate::model::connection::{HostConnection, Way};
use crate::model::question::{Action, Argument, Question};

/// Scripts at once on one host: OpenSSH frees a channel late, so its `MaxSessions` of 10 is already
/// felt at six.
const PER_HOST: usize = 4;

/// Logins at once for each processor: a login takes about 0.1 s of one, and as long again where it
/// has to wait for a network.
const PER_PROCESSOR: usize = 16;

/// What all hosts of a run share.
pub struct Shared {
    /// Limits of the run.
    pub limits: Limits,
    /// Hosts worked on at once.
    pub places: Semaphore,
    /// Logins at once: they compute more than they wait, so that more of them than the processors
    /// can serve would only make each other late.
    pub logins: Arc<Semaphore>,
    /// Logins that an sshd turned away for now.
    pub crowd: Crowd,
    /// Logins through one jump host.
    pub jumps: Jumps,
    serial: AtomicU64,
}

impl Shared {
    /// Returns the shared part for a run with `limits`.
    pub fn new(limits: Limits) -> Shared {
        let places = Semaphore::new(limits.parallel.max(1));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Shared {
            limits,
            places,
            logins: Arc::new(Semaphore::new(PER_PROCESSOR * processors)),
            crowd: Crowd::default(),
            jumps: Jumps::default(),
            serial: AtomicU64::new(1),
        }
    }

    /// Returns a mark of its own for every script; contents cannot be taken for records anyway,
    /// because every record tells its length.
    fn mark(&self) -> String {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let stack = std::ptr::from_ref(self) as usize;
        let seed = format!("{}/{serial}/{stack}", std::process::id());
        format!("@drsync-{}", &crate::model::digest::sha256(seed.as_bytes())[..12])
    }
}

/// One host of a run.
pub struct Host {
    way: HostConnection,
    shared: Arc<Shared>,
    link: Link,
    channels: Semaphore,
    execs: AtomicUsize,
}

impl Host {
    /// Returns the host; nothing is contacted yet.
    pub fn new(way: HostConnection, shared: Arc<Shared>) -> Host {
        Host {
            way,
            shared,
            link: Link::default(),
            channels: Semaphore::new(PER_HOST),
            execs: AtomicUsize::new(0),
        }
    }

    /// Asks all `questions` in one script.
    pub async fn read(&self, questions: &[Question]) -> HostReading {
        let _place = self.shared.places.acquire().await;
        if let Some(reason) = script::unsendable(arguments_of(&[], questions)) {
            return HostReading::failed(questions, &reason);
        }
        let setting = self.setting();
        let script = script::reading(questions, &setting);
        let before = Instant::now();
        match self.run(&script, self.shared.limits.logins).await {
            Err(reason) => HostReading::failed(questions, &reason),
            Ok((output, connected)) => {
                let answer = self.parse(&output, &setting, questions.len());
                HostReading {
                    replies: answer.replies,
                    machine_id: answer.machine_id,
                    timings: (connected, before.elapsed().saturating_sub(connected)),
                    execs: self.execs.load(Ordering::Relaxed),
                }
            }
        }
    }

    /// Runs `actions` in one script and reads `questions` back in the same.
    pub async fn write(&self, actions: &[Action], questions: &[Question]) -> Written {
        if let Some(reason) = script::unsendable(arguments_of(actions, questions)) {
            return Written::failed(questions, &reason);
        }
        let setting = self.setting();
        let script = script::writing(actions, questions, &setting);
        match self.run(&script, Logins::Kept).await {
            Err(reason) => Written::failed(questions, &reason),
            Ok((output, _)) => {
                let answer = self.parse(&output, &setting, questions.len());
                let failed = answer.actions.iter().find_map(|outcome| outcome.clone().err());
                let reached = answer.actions.len() == actions.len();
                let outcome = match failed {
                    Some(reason) => Err(crate::model::secret::mask(&reason).into_owned().into()),
                    None if reached => Ok(()),
                    None => Err(Failure {
                        said: format!("the outcome is unknown: {}", explain(&output)),
                        is_lost: true,
                    }),
                };
                Written { outcome, replies: answer.replies }
            }
        }
    }

    fn setting(&self) -> Setting {
        let root = match &self.way.way {
            Way::Sandbox(folder) => folder.display().to_string(),
            Way::Ssh(_) | Way::Local => self.way.root.clone().unwrap_or_default(),
        };
        Setting { root, mark: self.shared.mark() }
    }

    fn parse(&self, output: &Output, setting: &Setting, questions: usize) -> Answer {
        let why = explain(output);
        script::parse(&output.stdout, &setting.mark, questions, &why)
    }

    /// Runs a script; returns its output and how long it took to connect.
    async fn run(&self, script: &str, logins: Logins) -> Result<(Output, Duration), String> {
        let _channel = self.channels.acquire().await;
        self.execs.fetch_add(1, Ordering::Relaxed);
        let deadline = self.shared.limits.command;
        match &self.way.way {
            Way::Ssh(options) => {
                let command = self.remote_command();
                match logins {
                    Logins::Once => ssh_once::run(options, &self.shared, &command, script).await,
                    Logins::Kept => self.link.run(options, &self.shared, &command, script).await,
                }
            }
            Way::Local => {
                let output = local::run(&self.local_command(), &[], script, deadline).await?;
                Ok((output, Duration::ZERO))
            }
            Way::Sandbox(folder) => {
                let folder = folder.display().to_string();
                let mut environment = vec![("DRSYNC_SANDBOX_ROOT".to_string(), folder)];
                let commands = self.shared.limits.commands.iter();
                environment.extend(
                    commands.map(|dir| ("DRSYNC_COMMANDS".to_string(), dir.display().to_string())),
                );
                let shell = ["sh".to_string(), "-s".to_string()];
                let output = local::run(&shell, &environment, script, deadline).await?;
                Ok((output, Duration::ZERO))
            }
        }
    }

    /// Returns the words every login shell reads alike. The remote `timeout` ends a script whose
    /// connection is gone.
    fn remote_command(&self) -> String {
        let seconds = self.shared.limits.command.as_secs().max(1);
        match self.way.become_user.as_deref() {
            None => format!("timeout -k 5 {seconds} sh -s"),
            Some("root") => format!("sudo -n -- timeout -k 5 {seconds} sh -s"),
            Some(user) => format!("sudo -n -u {user} -- timeout -k 5 {seconds} sh -s"),
        }
    }

    fn local_command(&self) -> Vec<String> {
        let words: &[&str] = match self.way.become_user.as_deref() {
            None => &["sh", "-s"],
            Some("root") => &["sudo", "-n", "--", "sh", "-s"],
            Some(user) => &["sudo", "-n", "-u", user, "--", "sh", "-s"],
        };
        words.iter().map(|word| word.to_string()).collect()
    }

    /// Closes the connection.
    pub async fn close(self) {
        self.link.close().await;
    }
}

fn arguments_of<'a>(
    actions: &'a [Action],
    questions: &'a [Question],
) -> impl Iterator<Item = &'a Argument> {
    let actions = actions.iter().flat_map(|action| match action {
        Action::Host(_, arguments) => arguments.iter(),
        Action::Config(..) | Action::Call(..) => [].iter(),
    });
    let questions = questions.iter().flat_map(|question| match question {
        Question::Probe(_, arguments) => arguments.iter(),
        Question::Config(_) | Question::Entity(_) => [].iter(),
    });
    actions.chain(questions)
}

/// Says why a reply is missing or cut, from how the script ended.
fn explain(output: &Output) -> String {
    let said = &output.stderr;
    if said.contains("a password is required") {
        return "sudo asks for a password: give the login a NOPASSWD rule, or drop `ansible_become`".into();
    }
    if said.contains("must have a tty") {
        return "sudo insists on a terminal (`requiretty`): turn that off for the login".into();
    }
    if said.contains("is not in the sudoers file") || said.contains("is not allowed to execute") {
        return "the login may not use sudo".into();
    }
    let ended = match output.status {
        Some(124 | 137) => "the script took too long and was ended".to_string(),
        Some(0) => "the reply is cut short".to_string(),
        Some(127) => "the host has no `timeout` or no `sh`".to_string(),
        Some(status) => format!("the script ended with status {status}"),
        None => "the script took too long or the connection was lost".to_string(),
    };
    match (said.is_empty(), output.stdout.is_empty()) {
        (false, _) => format!("{ended}: {said}"),
        (true, false) => ended,
        (true, true) => format!("{ended}, without a word"),
    }
}
