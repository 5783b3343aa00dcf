//! What receivers of webhooks are told.

use serde_json::{Value, json};

/// What an announcement is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventType {
    /// A sync was applied.
    SyncApplied,
    /// A guard stopped a push.
    PlanHeld,
    /// A push was refused.
    PushRefused,
    /// A push is late.
    PushMissed,
    /// A version of a profile was published.
    ProfilePublished,
    /// Somebody wants to see whether an announcement arrives.
    Test,
}

/// Something that receivers of an account's webhooks are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// What it is of.
    pub event: EventType,
    /// The body that is sent: JSON without values of people.
    pub payload: String,
}

impl Announcement {
    /// Makes one of an event of this time, RFC 3339 in UTC. The data have no values of people.
    pub fn new(event: EventType, timestamp: &str, data: &Value) -> Announcement {
        let payload = json!({ "type": event.name(), "timestamp": timestamp, "data": data }).to_string();
        Announcement { event, payload }
    }
}

impl EventType {
    /// All of them.
    pub const ALL: [EventType; 6] = [
        EventType::SyncApplied,
        EventType::PlanHeld,
        EventType::PushRefused,
        EventType::PushMissed,
        EventType::ProfilePublished,
        EventType::Test,
    ];

    /// Those that a webhook can be for. Whoever asks for a test gets it.
    pub const TO_CHOOSE: [EventType; 5] = [
        EventType::SyncApplied,
        EventType::PlanHeld,
        EventType::PushRefused,
        EventType::PushMissed,
        EventType::ProfilePublished,
    ];

    /// The name that receivers know it by.
    pub fn name(self) -> &'static str {
        match self {
            EventType::SyncApplied => "sync.applied",
            EventType::PlanHeld => "plan.held",
            EventType::PushRefused => "push.refused",
            EventType::PushMissed => "push.missed",
            EventType::ProfilePublished => "profile.published",
            EventType::Test => "test",
        }
    }

    /// Returns the type of a name, that a webhook can be for. The error lists all.
    pub fn to_choose(name: &str) -> Result<EventType, String> {
        let found = EventType::TO_CHOOSE.into_iter().find(|event| event.name() == name);
        found.ok_or_else(|| format!("there are {}", EventType::TO_CHOOSE.map(EventType::name).join(", ")))
    }

    /// Returns the type of a name, or `None` if it is no type's.
    pub fn parse(name: &str) -> Option<EventType> {
        EventType::ALL.into_iter().find(|event| event.name() == name)
    }
}
