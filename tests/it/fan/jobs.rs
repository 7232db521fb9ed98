//! The six jobs of the channel, and what they write.

/// The jobs' names in the order in which a person lets each go for the first time, and their files.
pub(super) const JOBS: [(&str, &str); 6] = [
    ("twitch-followers", FOLLOWERS),
    ("twitch-subscribers", SUBSCRIBERS),
    ("twitch-vips", VIPS),
    ("twitch-moderators", MODERATORS),
    ("twitch-bits", BITS),
    ("twitch-streams", STREAMS),
];

/// Stands in every file.
pub(super) const COMMON: &str = r#"
timezone = "America/New_York"
create_fields = true
"#;

/// Stands in every file of people, so that one person is one contact whatever the source.
pub(super) const PEOPLE: &str = r#"
[to]
destination = "highlevel.contacts"
account = "main"
[match]
by = ["link", "field:twitch_user_id"]
missing = "create"
"#;

const FOLLOWERS: &str = r#"
schedule = "*/15 * * * *"
full = "30 4 * * *"
COMMON
[from]
source = "twitch.followers"
account = "channel"
PEOPLE
[fields]
firstName = { value = "{{ user_name or user_login or 'twitch ' ~ user_id }}", own = "fill" }
twitch_user_id = "{{ user_id }}"
twitch_username = "{{ user_login }}"
twitch_followed_at = { value = "{{ followed_at | date }}", own = "create" }
[on.join]
add_tags = [
    "twitch follower",
    "twitch cohort {{ followed_at | date('%Y-%m') }}",
    "{% if stream_game %}met at {{ stream_game }}{% endif %}",
]
note = "{{ user_name }} follows since {{ followed_at | date }}{% if stream_title %}, from the stream {{ stream_title }}{% endif %}"
[on.return]
note = "{{ user_name }} follows again"
[on.leave]
remove_tags = ["twitch follower"]
add_tags = ["twitch unfollowed", "twitch cohort {{ followed_at | date('%Y-%m') }}"]
note = "{{ user_name }} unfollowed"
[on.gone]
note = "The account of {{ user_name }} is suspended or deleted"
[limits]
create = 2000
note = 500
leave = { percent = 5, atleast = 50 }
"#;

const SUBSCRIBERS: &str = r#"
schedule = "*/15 * * * *"
COMMON
[from]
source = "twitch.subscribers"
account = "channel"
PEOPLE
[fields]
firstName = { value = "{{ user_name or user_login or 'twitch ' ~ user_id }}", own = "fill" }
twitch_user_id = "{{ user_id }}"
twitch_username = "{{ user_login }}"
[on.join]
add_tags = ["twitch subscriber", "twitch tier {{ tier }}"]
note = "Subscribed at tier {{ tier }}{% if is_gift %}, a gift of {{ gifter_name or 'nobody knows whom' }}{% endif %}"
task = { title = "Thank {{ user_name }}", body = "Tier {{ tier }}", due = "2d" }
[on.return]
note = "Subscribed again at tier {{ tier }}"
[on.leave]
remove_tags = ["twitch subscriber", "twitch tier {{ tier }}"]
add_tags = ["twitch former subscriber"]
complete_task = true
note = "Subscribed no more"
[[on.change]]
of = "tier"
note = "Tier {{ before }} became {{ tier }}"
"#;

const VIPS: &str = r#"
schedule = "0 * * * *"
COMMON
[from]
source = "twitch.vips"
account = "channel"
PEOPLE
[fields]
firstName = { value = "{{ user_name or user_login or 'twitch ' ~ user_id }}", own = "fill" }
twitch_user_id = "{{ user_id }}"
twitch_username = "{{ user_login }}"
[on.join]
add_tags = ["twitch vip"]
note = "{{ user_name }} is a VIP"
[on.return]
note = "{{ user_name }} is a VIP again"
[on.leave]
remove_tags = ["twitch vip"]
note = "{{ user_name }} is a VIP no more"
"#;

const MODERATORS: &str = r#"
schedule = "0 * * * *"
COMMON
[from]
source = "twitch.moderators"
account = "channel"
PEOPLE
[fields]
firstName = { value = "{{ user_name or user_login or 'twitch ' ~ user_id }}", own = "fill" }
twitch_user_id = "{{ user_id }}"
twitch_username = "{{ user_login }}"
[on.join]
add_tags = ["twitch moderator"]
task = { title = "Welcome {{ user_name }} to the team", due = "1d", to = "channel" }
[on.leave]
remove_tags = ["twitch moderator"]
complete_task = { to = "channel" }
"#;

const BITS: &str = r#"
schedule = "0 * * * *"
COMMON
[from]
source = "twitch.bits"
account = "channel"
PEOPLE
[fields]
firstName = { value = "{{ user_name or user_login or 'twitch ' ~ user_id }}", own = "fill" }
twitch_user_id = "{{ user_id }}"
twitch_username = "{{ user_login }}"
twitch_bits = "{{ score }}"
[on.join]
add_tags = ["twitch cheerer"]
[[on.milestone]]
of = "score"
at = [1000, 5000]
note = "{{ milestone }} bits"
"#;

const STREAMS: &str = r#"
schedule = "*/2 * * * *"
COMMON
[from]
source = "twitch.streams"
account = "channel"
[to]
destination = "highlevel.contacts"
account = "main"
[match]
by = ["link", "field:twitch_channel_id"]
missing = "create"
[fields]
lastName = { value = "{{ channel_name or channel_login or 'twitch ' ~ channel_id }}", own = "fill" }
twitch_channel_id = "{{ channel_id }}"
twitch_stream_title = "{{ title }}"
twitch_viewers_peak = "{{ viewers_peak }}"
twitch_followers = "{{ followers }}"
[on.join]
add_tags = ["twitch live"]
task = { title = "Live: {{ title }}", body = "{{ game }}", due = "6h" }
[on.leave]
remove_tags = ["twitch live"]
complete_task = true
note = "{{ title }}: {{ minutes }} minutes, at most {{ viewers_peak }} viewers, {{ new_followers }} new followers"
[[on.change]]
of = "game"
note = "From {{ before }} to {{ game }}"
[[on.milestone]]
of = "followers"
at = [350, 1000]
note = "{{ milestone }} followers"
"#;
