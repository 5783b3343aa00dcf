//! Webhook: deliveries on their way to the receivers of webhooks. Attempts are made on threads that may wait, so many at a time over all and few
//! for each webhook. A receiver that failed or was slow the last time shares a half of the threads with others like it, so that however many
//! of them there are, the rest is not held up.

mod send;

use super::Server;
use crate::store::{Attempt, DueDelivery, Error};
use jiff::Timestamp;
use send::Sender;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How many attempts are made at a time.
const ATTEMPTS_MAX: usize = 32;

/// How many of them go to receivers that failed or were slow the last time.
const TO_TROUBLED_MAX: usize = ATTEMPTS_MAX / 2;

/// How many attempts are made for one webhook at a time, and for one whose receiver failed or was slow the last time.
const WEBHOOK_MAX: usize = 4;
const TROUBLED_WEBHOOK_MAX: usize = 1;

/// A receiver that takes longer than this is slow.
const SLOW: Duration = Duration::from_secs(2);

/// How often it is looked what is due, if nothing else says so: commands have deliveries sent, too.
const LOOK: Duration = Duration::from_secs(2);

/// How long the results of attempts are awaited after the first, so that they are written together.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a server that stops waits for what is on its way, so that it is not sent again after the next start.
const STOP: Duration = Duration::from_secs(1);

/// How often old deliveries are removed.
const TRIM: Duration = Duration::from_secs(60);

/// What is on its way.
struct Sending {
    server: Arc<Server>,
    sender: Arc<Sender>,
    /// The deliveries of each webhook that are being sent.
    under_way: HashMap<i64, HashSet<i64>>,
    /// The webhooks whose receivers failed or were slow the last time.
    troubled: HashSet<i64>,
    /// What came of attempts and could not be recorded yet.
    ended: Vec<Attempt>,
    done: mpsc::UnboundedSender<Attempt>,
}

/// Sends what is due until the server stops.
pub async fn keep_sending(server: Arc<Server>, mut stopped: watch::Receiver<bool>) {
    // Never more wait in it than there are attempts at a time.
    let (done, mut attempts) = mpsc::unbounded_channel();
    let mut sending = Sending::new(server.clone(), done);
    let mut trim_at = Instant::now();
    loop {
        if sending.record().await {
            sending.start().await;
        }
        if trim_at <= Instant::now() {
            trim_at = Instant::now() + if trim(&server).await { PAUSE } else { TRIM };
        }
        let first = tokio::select! {
            first = attempts.recv() => first,
            _ = timeout(LOOK, server.news.due.notified()) => None,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        if let Some(first) = first {
            sleep(PAUSE).await;
            sending.end(first);
            while let Ok(attempt) = attempts.try_recv() {
                sending.end(attempt);
            }
        }
    }
    let until = Instant::now() + STOP;
    while sending.under_way.values().map(HashSet::len).sum::<usize>() > sending.ended.len()
        && let Ok(Some(attempt)) = timeout_at(until, attempts.recv()).await
    {
        sending.end(attempt);
    }
    sending.record().await;
}

impl Sending {
    fn new(server: Arc<Server>, done: mpsc::UnboundedSender<Attempt>) -> Sending {
        let sender = Arc::new(Sender::new(server.webhooks_allow.clone()));
        let (under_way, troubled) = (HashMap::new(), HashSet::new());
        Sending { server, sender, under_way, troubled, ended: Vec::new(), done }
    }

    /// Begins the attempts that are due, as many as there is room for.
    async fn start(&mut self) {
        let now = Timestamp::now();
        let due = look_up(&self.server, move |server| server.store.due_webhooks(now)).await;
        for webhook in due {
            let is_troubled = self.troubled.contains(&webhook);
            let on_their_way = self.under_way.get(&webhook).cloned().unwrap_or_default();
            let webhook_max = if is_troubled { TROUBLED_WEBHOOK_MAX } else { WEBHOOK_MAX };
            let room = self.room(is_troubled).min(webhook_max.saturating_sub(on_their_way.len()));
            if room == 0 {
                continue;
            }
            let limit = room + on_their_way.len();
            let due = look_up(&self.server, move |server| server.store.due_deliveries(webhook, now, limit)).await;
            let due = due.into_iter().filter(|due| !on_their_way.contains(&due.number)).take(room);
            due.for_each(|due| self.attempt(due));
        }
    }

    /// How many attempts more may be made at the moment.
    fn room(&self, is_troubled: bool) -> usize {
        let (mut to_troubled, mut all) = (0, 0);
        for (webhook, deliveries) in &self.under_way {
            all += deliveries.len();
            to_troubled += if self.troubled.contains(webhook) { deliveries.len() } else { 0 };
        }
        let room = ATTEMPTS_MAX.saturating_sub(all);
        if is_troubled { room.min(TO_TROUBLED_MAX.saturating_sub(to_troubled)) } else { room }
    }

    fn attempt(&mut self, due: DueDelivery) {
        self.under_way.entry(due.webhook).or_default().insert(due.number);
        let (server, sender, done) = (self.server.clone(), self.sender.clone(), self.done.clone());
        spawn_blocking(move || {
            // If the loop has ended, so has the server.
            drop(done.send(sender.attempt(&server, &due)));
        });
    }

    /// Notes what came of an attempt.
    fn end(&mut self, attempt: Attempt) {
        if attempt.failure.is_some() || attempt.took > SLOW {
            self.troubled.insert(attempt.webhook);
        } else {
            self.troubled.remove(&attempt.webhook);
        }
        self.ended.push(attempt);
    }

    /// Records what came of attempts. Until that is written they count as under way, so that nothing is sent again and again while the disk is
    /// full. Returns whether it is.
    async fn record(&mut self) -> bool {
        if self.ended.is_empty() {
            return true;
        }
        let ended = self.ended.clone();
        let recorded = look_up(&self.server, move |server| server.store.record_attempts(&ended).map(Some)).await;
        let Some((disabled, given_up)) = recorded else {
            return false;
        };
        for Attempt { webhook, delivery, .. } in self.ended.drain(..) {
            if let Some(deliveries) = self.under_way.get_mut(&webhook) {
                deliveries.remove(&delivery);
                if deliveries.is_empty() {
                    self.under_way.remove(&webhook);
                }
            }
        }
        for webhook in disabled {
            tracing::warn!(webhook, "webhook {webhook} is disabled: its receiver answered 410 (gone)");
        }
        for delivery in given_up {
            tracing::warn!(
                delivery,
                "delivery {delivery} to a webhook is given up; once its receiver is there again, `rollcall webhook resend` sends it"
            );
        }
        true
    }
}

async fn trim(server: &Arc<Server>) -> bool {
    look_up(server, |server| server.store.trim_deliveries(Timestamp::now())).await
}

/// Asks the store. If it fails, that is logged and the result is empty.
async fn look_up<T: Default + Send + 'static>(
    server: &Arc<Server>,
    work: impl FnOnce(&Server) -> Result<T, Error> + Send + 'static,
) -> T {
    let server = server.clone();
    let failed = |error| {
        tracing::error!("webhooks cannot be served: {error}");
        T::default()
    };
    // A panic has been reported by then.
    spawn_blocking(move || work(&server).unwrap_or_else(failed)).await.unwrap_or_default()
}
