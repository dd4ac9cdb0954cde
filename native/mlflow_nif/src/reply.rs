//! Every call is answered exactly once, whatever becomes of it.

use rustler::env::SavedTerm;
use rustler::{Encoder, Env, LocalPid, OwnedEnv, Term};

use mlflow_core::{Error, ErrorKind};

use crate::terms::ErrorTerm;

mod atoms {
    rustler::atoms! { ok, error }
}

/// What a call answers, ready to be encoded in the reply's own environment.
pub type Answer = Box<dyn Encoder + Send>;

/// `{:ok, value}` or `{:error, %MLflow.Error{}}`.
pub fn answer<T, E>(result: Result<T, E>) -> Answer
where
    T: Encoder + Send + 'static,
    E: Into<ErrorTerm>,
{
    Box::new(Outcome(result.map_err(Into::into)))
}

/// `:ok` or `{:error, %MLflow.Error{}}`, for calls that have nothing to tell.
pub fn done<E: Into<ErrorTerm>>(result: Result<(), E>) -> Answer {
    match result {
        Ok(()) => Box::new(atoms::ok()),
        Err(error) => answer::<(), E>(Err(error)),
    }
}

struct Outcome<T>(Result<T, ErrorTerm>);

impl<T: Encoder> Encoder for Outcome<T> {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match &self.0 {
            Ok(value) => (atoms::ok(), value).encode(env),
            Err(error) => (atoms::error(), error).encode(env),
        }
    }
}

/// Who is to be answered, before there is anything that could fail to answer.
pub struct Caller {
    env: OwnedEnv,
    pid: LocalPid,
    reference: SavedTerm,
}

impl Caller {
    pub fn new(pid: LocalPid, reference: Term) -> Self {
        let env = OwnedEnv::new();
        let reference = env.save(reference);
        Self {
            env,
            pid,
            reference,
        }
    }

    /// From here on the caller is answered, come what may. Not to be dropped on a scheduler
    /// thread, which cannot send.
    pub fn promise(self) -> Reply {
        Reply { caller: Some(self) }
    }

    /// Something ahead of the answer, in an environment of its own: sending clears it.
    fn tell(&self, news: &impl Encoder) {
        self.env.run(|own| {
            let reference = self.reference.load(own);
            let mut message = OwnedEnv::new();
            let _ =
                message.send_and_clear(&self.pid, |env| (reference.in_env(env), news).encode(env));
        });
    }

    fn send(mut self, answer: Answer) {
        let reference = self.reference;
        // A caller that has died meanwhile needs no answer.
        let _ = self
            .env
            .send_and_clear(&self.pid, |env| (reference.load(env), answer.encode(env)));
    }
}

/// Sends `{reference, answer}` to the caller. When the work is dropped without having answered (a
/// panic, a canceled task, a stopped runtime), dropping this answers.
pub struct Reply {
    caller: Option<Caller>,
}

impl Reply {
    /// Sends `{reference, news}`; the answer is still to come.
    pub fn tell(&self, news: &impl Encoder) {
        if let Some(caller) = &self.caller {
            caller.tell(news);
        }
    }

    pub fn send(mut self, answer: Answer) {
        if let Some(caller) = self.caller.take() {
            caller.send(answer);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(caller) = self.caller.take() {
            let message = "the call ended without an answer; please report this as a bug";
            caller.send(answer::<(), _>(Err(Error::new(
                ErrorKind::Bug,
                "native",
                message,
            ))));
        }
    }
}
