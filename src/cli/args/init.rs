//! The arguments of `init`.

use clap::ValueEnum;

/// The arguments of `init`.
///
/// They are checked where answers are, so that a secret pasted by mistake is not shown.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct Init {
    /// Use this HighLevel location (in HighLevel: Settings, Business Profile, Location ID)
    #[arg(long, value_name = "ID")]
    pub location: Option<String>,
    /// Use this Twitch application (its Client ID on dev.twitch.tv)
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// Find the secret of a confidential Twitch application here: env:NAME, file:PATH or credential:NAME [default: the application is public]
    #[arg(long, value_name = "SOURCE")]
    pub client_secret: Option<String>,
    /// Read the followers of this channel, as in twitch.tv/LOGIN [default: the channel of the person who logs in]
    #[arg(long, value_name = "LOGIN")]
    pub channel: Option<String>,
    /// Log in to HighLevel with a private integration token, with an OAuth app, or with an app that an agency installed [default: token]
    #[arg(long, value_name = "WAY")]
    pub highlevel: Option<HubWay>,
    /// Use this app of HighLevel's marketplace (its Client ID); for --highlevel app or agency
    #[arg(long, value_name = "ID")]
    pub app_id: Option<String>,
    /// Find the secret of that app here: env:NAME, file:PATH or credential:NAME
    #[arg(long, value_name = "SOURCE")]
    pub app_secret: Option<String>,
    /// Name the account of the location
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub hub: String,
    /// Name the account of the channel
    #[arg(long, value_name = "NAME", default_value = "my-channel")]
    pub spoke: String,
    /// Name the account of the agency
    #[arg(long, value_name = "NAME", default_value = "agency")]
    pub agency: String,
    /// Run the schedule on the clock of this IANA zone [default: that of this machine]
    #[arg(long, value_name = "IANA")]
    pub timezone: Option<String>,
    /// Write the job over followers alone, or one job for everything that a streamer's channel has [default: followers]
    #[arg(long, value_name = "SET")]
    pub set: Option<JobSet>,
    /// Make the job over followers due at these times: minute, hour, day of month, month, day of week [default: */15 * * * *]
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,
    /// Make no key, and keep logins in the state as they are
    #[arg(long)]
    pub no_encrypt: bool,
    /// Ask nothing, and take the defaults
    #[arg(long)]
    pub yes: bool,
    /// Replace files that are there, and keep each as NAME.old
    #[arg(long)]
    pub force: bool,
    /// Where HighLevel's API is.
    #[arg(long, value_name = "URL", hide = true)]
    pub base_url: Option<String>,
    /// Where a person logs in to HighLevel.
    #[arg(long, value_name = "URL", hide = true)]
    pub authorize_url: Option<String>,
    /// Where Twitch's API is.
    #[arg(long, value_name = "URL", hide = true)]
    pub twitch_url: Option<String>,
    /// Where Twitch issues tokens.
    #[arg(long, value_name = "URL", hide = true)]
    pub auth_url: Option<String>,
}

/// Which jobs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum JobSet {
    /// The followers
    #[default]
    Followers,
    /// Followers, subscribers, VIPs, moderators, bits and streams; the login is the broadcaster's
    Streamer,
}

/// How a location logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HubWay {
    /// By a private integration token that `auth highlevel` asks for
    Token,
    /// By an OAuth app
    App,
    /// By the login of an agency
    Agency,
}
