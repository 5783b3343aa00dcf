//! `rollcall webhook`

use super::folder::{IfMissing, StoreFolder};
use super::{Failed, out};
use crate::config::Config;
use crate::server::{announced_test, check_webhook_url, shown_delivery, shown_webhook};
use crate::signature::webhook::{OLD_SECRET_TIME, random_secret};
use crate::store::{Delivery, EventType, Store, Webhook as Stored};
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Tell other programs what happens in an account, by signed requests (Standard Webhooks); a running server knows at once
#[derive(Args)]
pub struct Webhook {
    #[command(flatten)]
    store: StoreFolder,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add a webhook and print its number and its secret, as JSON; the secret is not shown again
    Add {
        /// The account
        account: i64,
        /// Where events are sent: https://…, or also http://… if the configuration allows the address
        url: String,
        /// Send only events of this type: sync.applied, plan.held, push.refused, push.missed, profile.published; can be given several
        /// times [default: all]
        #[arg(long = "event", env = "ROLLCALL_EVENT", value_name = "TYPE", value_delimiter = ',', value_parser = EventType::to_choose)]
        events: Vec<EventType>,
    },
    /// List the webhooks of an account, or of all; secrets are never shown
    List {
        /// The account
        account: Option<i64>,
        /// Print a JSON array
        #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },
    /// Remove a webhook with its deliveries
    Remove {
        /// The account
        account: i64,
        /// The number of the webhook, as `list` shows it
        webhook: i64,
    },
    /// Replace the secret of a webhook and print the new one, as JSON; the old one signs, too, for 24 hours
    Rotate {
        /// The account
        account: i64,
        /// The number of the webhook, as `list` shows it
        webhook: i64,
    },
    /// List what was sent, or is to be sent, and what came of it, the latest first
    Deliveries {
        /// The account
        account: i64,
        /// Only those of one webhook
        #[arg(long, env = "ROLLCALL_WEBHOOK", value_name = "WEBHOOK")]
        webhook: Option<i64>,
        /// How many
        #[arg(long, env = "ROLLCALL_LAST", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        last: u32,
        /// Print a JSON array
        #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },
    /// Have the running server send a delivery again, as the same message
    Resend {
        /// The account
        account: i64,
        /// The number of the delivery, as `deliveries` shows it
        delivery: i64,
    },
    /// Have the running server send an event of the type `test`, whatever types the webhook is for
    Test {
        /// The account
        account: i64,
        /// The number of the webhook, as `list` shows it
        webhook: i64,
    },
}

impl Webhook {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let store = self.store.open(&config, IfMissing::Fail)?;
        match self.action {
            Action::Add { account, url, events } => {
                check_webhook_url(&url, &config.webhooks.allow).map_err(Failed::Usage)?;
                let secret = random_secret().map_err(Failed::refused)?;
                let id = store.add_webhook(account, &url, &events.into_iter().collect(), &secret)?;
                out!("{}", json!({ "account": account, "webhook": id, "secret": secret }))
            }
            Action::List { account, json } => list(&store, account, json),
            Action::Remove { account, webhook } => {
                store.remove_webhook(account, webhook)?;
                out!("webhook {webhook} of account {account} removed")
            }
            Action::Rotate { account, webhook } => {
                let secret = random_secret().map_err(Failed::refused)?;
                let until = Timestamp::now() + OLD_SECRET_TIME;
                store.rotate_webhook(account, webhook, &secret, until)?;
                let until = until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                out!("{}", json!({ "account": account, "webhook": webhook, "secret": secret, "oldSecretUntil": until }))
            }
            Action::Deliveries { account, webhook, last, json } => deliveries(&store, account, webhook, last, json),
            Action::Resend { account, delivery } => {
                store.resend(account, None, delivery)?;
                out!(
                    "delivery {delivery} is sent again; `rollcall webhook deliveries {account}` shows what comes of it"
                )
            }
            Action::Test { account, webhook } => {
                let delivery = store.announce_to(account, webhook, &announced_test(account, webhook))?;
                out!("delivery {delivery} is sent; `rollcall webhook deliveries {account}` shows what comes of it")
            }
        }
    }
}

fn list(store: &Store, account: Option<i64>, as_json: bool) -> Result<(), Failed> {
    if let Some(account) = account {
        store.key(account)?.ok_or(crate::store::Error::NoAccount(account))?;
    }
    let webhooks = store.webhooks(account)?;
    if as_json {
        return out!("{:#}", Value::from_iter(webhooks.iter().map(shown_webhook)));
    }
    out!(
        "{:>10}  {:>7}  {:<20}  {:<8}  {:>7}  {:<30}  url",
        "account",
        "webhook",
        "added",
        "state",
        "pending",
        "events"
    )?;
    webhooks.iter().try_for_each(|webhook| {
        let Stored { id, account, url, created_at, pending, .. } = webhook;
        let events = if webhook.events.is_empty() { "all".to_owned() } else { names(webhook).join(" ") };
        out!("{account:>10}  {id:>7}  {created_at:<20}  {:<8}  {pending:>7}  {events:<30}  {url}", webhook.state())
    })
}

fn names(webhook: &Stored) -> Vec<&'static str> {
    webhook.events.iter().map(|event| event.name()).collect()
}

fn deliveries(store: &Store, account: i64, webhook: Option<i64>, last: u32, as_json: bool) -> Result<(), Failed> {
    store.key(account)?.ok_or(crate::store::Error::NoAccount(account))?;
    let deliveries = store.deliveries(account, webhook, None, last as usize)?;
    if as_json {
        return out!("{:#}", Value::from_iter(deliveries.iter().map(shown_delivery)));
    }
    out!(
        "{:>8}  {:>7}  {:<18}  {:<20}  {:<9}  {:>8}  {:>6}  what came of it",
        "delivery",
        "webhook",
        "event",
        "since",
        "state",
        "attempts",
        "status"
    )?;
    deliveries.iter().try_for_each(|delivery| {
        let Delivery { number, webhook, event, created_at, attempts, last, .. } = delivery;
        let status = last.as_ref().and_then(|last| last.status).map_or_else(|| "-".to_owned(), |status| status.to_string());
        let failure = last.as_ref().and_then(|last| last.failure.as_deref()).unwrap_or_default();
        let state = delivery.state();
        out!("{number:>8}  {webhook:>7}  {event:<18}  {created_at:<20}  {state:<9}  {attempts:>8}  {status:>6}  {failure}")
    })
}
