//! The handle to the one thread that owns the connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{ErrorKind, Result, StoreError};
use crate::group::{self, Pending, Write};
use crate::schema;

/// What the writer thread is asked to do.
pub type Work = Box<dyn FnOnce(&mut Connection) + Send>;

enum Task {
    Alone(Work),
    Grouped(Box<dyn Write>),
}

const QUEUE_LENGTH: usize = 10_000;
/// How long work waits for another process to let go of the file, counted from when it was
/// submitted: a hundred callers must not each wait for as long after one another.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// What is left of it at least, for work that waited in the queue for other reasons.
const SHORTEST_BUSY_TIMEOUT: Duration = Duration::from_millis(100);
const STATEMENTS_KEPT: usize = 128;

/// An open database. Cheap to clone; the file closes when the last clone is dropped, after the
/// work that was accepted is done.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Arc<Writer>,
}

#[derive(Debug)]
struct Writer {
    /// `None` once closed. Work is sent under the read lock, so nothing is accepted and then lost.
    queue: RwLock<Option<SyncSender<(Instant, Task)>>>,
    thread_id: ThreadId,
    /// Locked for as long as someone waits for the thread, so that everyone who closes waits.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens or creates the database at `path`, and its folder; `":memory:"` keeps it in memory.
    pub fn open(path: &Path) -> Result<Self> {
        let conn = connect(path).map_err(|error| error.at(path))?;
        let (queue, work) = sync_channel(QUEUE_LENGTH);
        let thread = thread::Builder::new()
            .name("mlflow_store".into())
            .spawn(move || serve(conn, &work))
            .map_err(|error| {
                let message = format!("no thread for the store ({error}): free some and try again");
                StoreError::new(ErrorKind::Io, message)
            })?;

        let writer = Writer {
            queue: RwLock::new(Some(queue)),
            thread_id: thread.thread().id(),
            thread: Mutex::new(Some(thread)),
        };
        Ok(Self {
            writer: Arc::new(writer),
        })
    }

    /// Queues `work` for the writer thread and returns at once. Work that was accepted is always
    /// run; work that was refused is dropped before this returns.
    pub fn submit(&self, work: Work) -> Result<()> {
        self.enqueue(Task::Alone(work))
    }

    /// Queues a write that shares its transaction with others that wait, and returns at once.
    /// `reply` is told on the writer thread, after the commit; what an error leaves is undone.
    /// When this refuses, both are dropped.
    pub fn write<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> std::result::Result<T, E> + Send + 'static,
        reply: impl FnOnce(std::result::Result<T, E>) + Send + 'static,
    ) -> Result<()>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.enqueue(Task::Grouped(Box::new(Pending::new(work, reply))))
    }

    fn enqueue(&self, task: Task) -> Result<()> {
        let queue = self
            .writer
            .queue
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let queue = queue.as_ref().ok_or_else(StoreError::closed)?;
        queue
            .try_send((Instant::now(), task))
            .map_err(|refused| match refused {
                TrySendError::Full(_) => overloaded(),
                TrySendError::Disconnected(_) => StoreError::closed(),
            })
    }

    /// Runs `work` on the writer thread and waits for its result. Not to be called from within
    /// work: that thread would wait for itself.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, result) = sync_channel(1);
        self.submit(Box::new(move |conn| {
            // The caller waits below for as long as this runs, so the reply always arrives.
            let _ = reply.send(work(conn));
        }))?;
        result
            .recv()
            .unwrap_or_else(|_| Err(StoreError::panicked()))
    }

    /// Refuses new work, waits until the accepted work is done, and closes the file. Clones of
    /// this handle are closed with it; closing again does nothing.
    pub fn close(&self) {
        drop(
            self.writer
                .queue
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );

        // Work may close the store too, and must not wait for the thread it runs on.
        if thread::current().id() == self.writer.thread_id {
            return;
        }
        let mut thread = self
            .writer
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // The thread catches every panic of the work it runs, so there is no news in `Err`.
            let _ = thread.join();
        }
    }
}

fn connect(path: &Path) -> Result<Connection> {
    create_folder(path)?;
    // Without SQLITE_OPEN_URI, a path that begins with "file:" is just a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);

    schema::version(&conn)?;
    enter_wal(&conn)?;
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    schema::migrate(&conn)?;
    Ok(conn)
}

fn create_folder(path: &Path) -> Result<()> {
    let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|error| {
        let message =
            format!("its folder cannot be created ({error}): create it, or choose another path");
        StoreError::new(ErrorKind::Io, message)
    })
}

/// Switches to write-ahead logging. Two processes that switch a new file at the same time could
/// deadlock, so SQLite fails one of them without honouring the busy timeout; hence the loop.
fn enter_wal(conn: &Connection) -> Result<()> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match conn.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < deadline =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            outcome => return Ok(outcome?),
        }
    }
}

fn serve(mut conn: Connection, queue: &Receiver<(Instant, Task)>) {
    let mut next = queue.recv().ok();
    while let Some((submitted, task)) = next {
        let left = BUSY_TIMEOUT.saturating_sub(submitted.elapsed());
        // Refused only for durations that SQLite cannot express.
        let _ = conn.busy_timeout(left.max(SHORTEST_BUSY_TIMEOUT));
        let met = match task {
            Task::Alone(work) => {
                perform_alone(&mut conn, work);
                None
            }
            Task::Grouped(write) => perform_group(&conn, write, queue),
        };
        next = met.or_else(|| queue.recv().ok());
    }
    retire(conn);
}

fn perform_alone(conn: &mut Connection, work: Work) {
    // A panic is a bug in that work alone; the panic hook has reported it already.
    let _ = catch_unwind(AssertUnwindSafe(|| work(conn)));
    if !conn.is_autocommit() {
        // Only work that began a transaction by hand leaves one; the next must not inherit it.
        let _ = conn.execute_batch("ROLLBACK");
    }
}

/// Performs `first` and the writes that wait behind it. What of another kind waits is its end, and
/// is answered.
fn perform_group(
    conn: &Connection,
    first: Box<dyn Write>,
    queue: &Receiver<(Instant, Task)>,
) -> Option<(Instant, Task)> {
    let mut met = None;
    group::perform(conn, first, || match queue.try_recv().ok()? {
        (_, Task::Grouped(write)) => Some(write),
        other => {
            met = Some(other);
            None
        }
    });
    met
}

/// Leaves the file tidy. Housekeeping: it waits for no other process, and its failure loses
/// nothing, since the write-ahead log is read again at the next open.
fn retire(conn: Connection) {
    let _ = conn.busy_timeout(Duration::ZERO);
    let _ = conn.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);");
    let _ = conn.close();
}

fn overloaded() -> StoreError {
    let message = format!(
        "{QUEUE_LENGTH} operations wait for the store already: slow down, or batch them, and try again"
    );
    StoreError::new(ErrorKind::Overloaded, message)
}
