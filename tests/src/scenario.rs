//! Scenarios: folders that say what happens to a repository and a cluster, and what plumb is expected to make of it.
//!
//! A folder holds
//! - `steps.txt`: what happens, one step a line ([`steps`]);
//! - `repository/1/…`, `repository/2/…`: the commits, each laid over the one before; the file `.removed` of an overlay
//!   names what it deletes, one path a line;
//! - `environments.yaml`: the Environments; absent: `app`, of path `app`;
//! - whatever else kubectl is to be given, by the path inside the folder;
//! - `expected.txt`: the transcript ([`player`]). `PLUMB_UPDATE=1` writes it anew, to be reviewed as code.
//!
//! In all of them `${NAME}` stands for the scenario's namespace, a name that nothing else uses ([`folder`]).

pub mod folder;
pub mod golden;
pub mod kinds;
pub mod observation;
pub mod player;
pub mod steps;
pub mod transcript;
pub mod view;
