//! Pace: whose turn it is, the client's or the server's, and how long the client has kept the server waiting.
//!
//! A connection has a pace, and so does each request that takes one of a limited number of places. Where all places are taken,
//! whoever has kept the server waiting longest gives way.

use crate::limits::Limits;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The pace, in bytes a second, below which a client counts as keeping the server waiting.
const BYTES_PER_SECOND: f64 = 32_768.0;

/// How long a client may pause before that alone makes it late.
const PAUSE: Duration = Duration::from_secs(2);

/// Of the places that are taken, one in this number is given up at once, and at least one.
const FEW: usize = 128;

/// How much longer a connection may wait for a body than the body itself may pause: the request is answered first.
const SLACK: Duration = Duration::from_secs(5);

/// The pace of one connection, or of one request.
#[derive(Debug)]
pub struct Pace {
    state: Mutex<State>,
    closing: Notify,
}

#[derive(Debug)]
struct State {
    /// Requests under way, their answers included.
    requests: u32,
    /// Those of them for which it is the server's turn.
    working: u32,
    /// Those of them that are being answered.
    answering: u32,
    /// How long the client has kept the server waiting in what goes on (a head, a body, an answer, or nothing), up to its present turn;
    /// when that began; and how many bytes have moved in all of it.
    waited: Duration,
    waiting_since: Instant,
    bytes: u64,
    /// The bytes of a head that has begun.
    head_bytes: u64,
    /// Whether the socket takes no more for now.
    blocked: bool,
    /// When a byte moved last, or the client's turn began.
    moved: Instant,
    /// Whether there has been no request yet.
    fresh: bool,
    /// Whether only the bytes of bodies count: on HTTP/2, where a client can also send and take frames of no use.
    bodies_only: bool,
    closed: bool,
}

impl Pace {
    /// The pace of a client that has just connected: it is its turn.
    pub fn of_connection() -> Arc<Pace> {
        Pace::new(0)
    }

    /// The pace of a request: it is the server's turn, but for the times in which the server waits for the body.
    pub fn of_request() -> Arc<Pace> {
        Pace::new(1)
    }

    fn new(requests: u32) -> Arc<Pace> {
        let now = Instant::now();
        let state = State {
            requests,
            working: requests,
            answering: 0,
            waited: Duration::ZERO,
            waiting_since: now,
            bytes: 0,
            head_bytes: 0,
            blocked: false,
            moved: now,
            fresh: requests == 0,
            bodies_only: false,
            closed: false,
        };
        Arc::new(Pace { state: Mutex::new(state), closing: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }

    /// Says that only the bytes of bodies count from now on.
    pub fn count_bodies_only(&self) {
        self.state().bodies_only = true;
    }

    /// Notes that bytes came from the client's socket.
    pub fn received(&self, bytes: usize) {
        let mut state = self.state();
        if state.requests == 0 && !state.bodies_only {
            if state.head_bytes == 0 {
                // A head begins: the time before it was idle.
                state.begin();
            }
            state.head_bytes += bytes as u64;
        }
        // A client that sends on has not taken its answer.
        if !state.bodies_only && (state.requests == 0 || state.answering < state.requests) {
            state.moved(bytes);
        }
    }

    /// Notes that the client's socket took bytes.
    pub fn sent(&self, bytes: usize) {
        let mut state = self.state();
        state.blocked = false;
        if !state.bodies_only {
            state.moved(bytes);
        }
    }

    /// Notes that the client's socket takes no more for now.
    pub fn is_blocked(&self) {
        self.state().blocked = true;
    }

    /// Notes that bytes of a body came from the client or went to it.
    pub fn moved_of_body(&self, bytes: usize) {
        let mut state = self.state();
        if state.bodies_only {
            state.moved(bytes);
        }
    }

    /// Notes that a request has come; it is the server's turn.
    pub fn request(self: &Arc<Pace>) -> UnderWay {
        let mut state = self.state();
        (state.requests, state.working) = (state.requests + 1, state.working + 1);
        (state.fresh, state.head_bytes) = (false, 0);
        if state.requests == 1 {
            state.begin();
        }
        UnderWay { pace: self.clone(), answering: false }
    }

    /// Notes that the server waits for the client until the returned value is dropped.
    pub fn clients_turn(&self) -> ClientsTurn<'_> {
        self.state().stop_working();
        ClientsTurn(self)
    }

    /// Returns how late the client is: how long it has kept the server waiting beyond the time that the bytes would have taken at a
    /// modest pace, or how long it has paused beyond what is granted. Zero while it is the server's turn.
    pub fn lateness(&self) -> Duration {
        let state = self.state();
        if state.working > 0 {
            return Duration::ZERO;
        }
        let due = Duration::from_secs_f64(state.bytes as f64 / BYTES_PER_SECOND);
        let paused = state.moved.elapsed().saturating_sub(PAUSE);
        state.waited().saturating_sub(due).max(paused)
    }

    /// Whether bytes that come are those of a head: on HTTP/2 they may be anything.
    pub fn receives_head(&self) -> bool {
        let state = self.state();
        state.in_head() && !state.bodies_only
    }

    /// Returns the bytes of an unfinished head times the milliseconds since it began: 0 if there is none.
    fn head_weight(&self) -> u64 {
        let state = self.state();
        if state.requests > 0 {
            return 0;
        }
        state
            .head_bytes
            .saturating_mul(1 + u64::try_from(state.waiting_since.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Whether the client has used up its time for a head, between two requests, or for taking an answer.
    fn expired(&self, limits: &Limits) -> bool {
        let state = self.state();
        if state.closed || state.working > 0 {
            return state.closed;
        }
        let seconds = Duration::from_secs;
        let waited = state.waited();
        let pause = seconds(limits.body_pause_seconds_max);
        if state.requests == 0 && state.blocked {
            return state.moved.elapsed() > pause;
        }
        if state.requests == 0 {
            return waited > seconds(if state.in_head() { limits.head_seconds_max } else { limits.idle_seconds_max });
        }
        if state.answering < state.requests {
            return state.moved.elapsed() > pause + SLACK;
        }
        let least = limits.body_bytes_per_second_min as f64 * waited.as_secs_f64();
        let slow = waited > seconds(limits.body_grace_seconds) && (state.bytes as f64) < least;
        slow || state.moved.elapsed() > pause
    }

    /// Returns when the client's time is used up, or [`Pace::close`] was called.
    pub async fn run_out(&self, limits: &Limits) {
        while !self.expired(limits) {
            // The limits are in seconds.
            let _ = tokio::time::timeout(Duration::from_millis(500), self.closing.notified()).await;
        }
    }

    /// Tells the holder of the place to give it up.
    pub fn close(&self) {
        self.state().closed = true;
        self.closing.notify_one();
    }

    /// Returns when [`Pace::close`] was called.
    pub async fn closed(&self) {
        while !self.state().closed {
            self.closing.notified().await;
        }
    }
}

impl State {
    fn in_head(&self) -> bool {
        self.requests == 0 && (self.fresh || self.head_bytes > 0)
    }

    fn moved(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.moved = Instant::now();
    }

    /// Starts counting anew, since something else goes on from now.
    fn begin(&mut self) {
        let now = Instant::now();
        (self.waited, self.waiting_since, self.moved, self.bytes) = (Duration::ZERO, now, now, 0);
    }

    fn waited(&self) -> Duration {
        self.waited + if self.working == 0 { self.waiting_since.elapsed() } else { Duration::ZERO }
    }

    fn stop_working(&mut self) {
        self.working -= 1;
        if self.working == 0 {
            // What the client did in its turns before still counts: otherwise a byte now and then would never be late.
            let now = Instant::now();
            (self.waiting_since, self.moved) = (now, now);
        }
    }

    fn start_working(&mut self) {
        self.waited = self.waited();
        self.working += 1;
    }
}

/// A time in which the server waits for the client.
pub struct ClientsTurn<'p>(&'p Pace);

impl Drop for ClientsTurn<'_> {
    fn drop(&mut self) {
        self.0.state().start_working();
    }
}

/// A request under way.
pub struct UnderWay {
    pace: Arc<Pace>,
    answering: bool,
}

impl UnderWay {
    /// Notes that the answer is ready: it is the client's turn to take it.
    pub fn answered(&mut self) {
        let mut state = self.pace.state();
        state.stop_working();
        state.answering += 1;
        if state.answering == state.requests {
            state.begin();
        }
        self.answering = true;
    }

    /// The pace of the connection.
    pub fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.pace.state();
        state.requests -= 1;
        if self.answering {
            state.answering -= 1;
        } else {
            state.stop_working();
        }
        if state.requests == 0 {
            state.begin();
        }
    }
}

/// Those who hold one of a limited number of places.
#[derive(Debug, Default)]
pub struct Places(Mutex<Vec<Arc<Pace>>>);

/// A place, until it is dropped.
pub struct Place {
    places: Arc<Places>,
    pace: Arc<Pace>,
}

impl Place {
    /// The pace of its holder.
    pub fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }
}

impl Places {
    fn held(&self) -> MutexGuard<'_, Vec<Arc<Pace>>> {
        self.0.lock().expect("no holder of the lock panics")
    }

    /// Takes a place, however many are taken.
    pub fn take(self: &Arc<Places>, pace: Arc<Pace>) -> Place {
        self.held().push(pace.clone());
        Place { places: self.clone(), pace }
    }

    /// Takes one of `max` places. If all are taken, the clients that have kept the server waiting longest, and at least for `late`, lose
    /// theirs: a few at a time, since looking through all of them takes time. Returns `None` if there is no such client.
    pub fn take_one_of(self: &Arc<Places>, max: usize, late: Duration, pace: &Arc<Pace>) -> Option<Place> {
        if self.held().len() >= max {
            let mut latest = self.late_by(late);
            latest.sort_unstable_by_key(|(lateness, _)| *lateness);
            let few = latest.split_off(latest.len().saturating_sub(1 + max / FEW));
            if few.is_empty() {
                return None;
            }
            self.held().retain(|held| !few.iter().any(|(_, pace)| Arc::ptr_eq(held, pace)));
            few.iter().for_each(|(_, pace)| pace.close());
        }
        Some(self.take(pace.clone()))
    }

    /// Returns whether any client keeps the server waiting.
    pub fn any_waits(&self) -> bool {
        self.held().iter().any(|pace| pace.lateness() > Duration::ZERO)
    }

    /// Takes its place from the client that has kept the server waiting longest, and at least for `late`. Returns whether there was one.
    pub fn close_latest(&self, late: Duration) -> bool {
        self.close_first_by(|pace| Some(pace.lateness()).filter(|lateness| *lateness >= late))
    }

    /// Ends the connection whose client is latest, by at least `late`, in sending a body. Returns whether there was one.
    pub fn close_latest_body(&self, late: Duration) -> bool {
        self.close_first_by(|pace| {
            let sends_body = {
                let state = pace.state();
                state.working == 0 && state.answering < state.requests
            };
            Some(pace.lateness()).filter(|lateness| sends_body && *lateness >= late)
        })
    }

    /// Ends the connection that has held the most bytes of an unfinished head for the longest time. Returns whether there was one.
    pub fn close_largest_head(&self) -> bool {
        self.close_first_by(|pace| Some(pace.head_weight()).filter(|weight| *weight > 0))
    }

    fn late_by(&self, late: Duration) -> Vec<(Duration, Arc<Pace>)> {
        let lateness =
            |pace: &Arc<Pace>| Some((pace.lateness(), pace.clone())).filter(|(lateness, _)| *lateness >= late);
        self.held().iter().filter_map(lateness).collect()
    }

    fn close_first_by<W: Ord>(&self, weight: impl Fn(&Pace) -> Option<W>) -> bool {
        let mut held = self.held();
        let weights = held.iter().enumerate().filter_map(|(place, pace)| Some((place, weight(pace)?)));
        let Some((latest, _)) = weights.max_by(|(_, one), (_, other)| one.cmp(other)) else {
            return false;
        };
        held.swap_remove(latest).close();
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        if let Some(place) = held.iter().position(|pace| Arc::ptr_eq(pace, &self.pace)) {
            held.swap_remove(place);
        }
    }
}
