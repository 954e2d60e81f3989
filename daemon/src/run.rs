//! The composition root of the daemon: every flag is taken apart here, every part is put together here.

pub(crate) mod feeds;
mod flags;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;
use plumb_cluster::{client, cluster::Cluster, index::Index, leases::Leases, tenure::Tenure, watches::Watches};
use plumb_core::{
    backoff,
    class::Class,
    lease::{Replica, Timing, shards::Shards},
};
use plumb_git::{
    remote::FileUrls,
    watch::LocalWatches,
    workers::{WorkerCommand, Workers},
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    backlog::Backlog,
    bootstrap,
    chain::chain,
    clock::Clock,
    context::Context,
    http::{self, Readiness},
    journal::Journal,
    leases::Keeper,
    main_loop::Loop,
    metrics::Metrics,
    mirrors::Mirrors,
    replica::{self, Own},
    repositories::Ground,
    tenures::Tenures,
    triggers::Builder,
};

/// Events that may wait for the loop, which handles thousands in a second: a burst of a whole cluster's changes.
const EVENTS_MAX: usize = 4096;
/// Git workers at once: each is a process of some 10 MiB.
const WORKERS_MAX: usize = 8;
/// How long a stop may take: requests under way end, nothing new is started.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Shards of one plumb: beyond, most of them would have nothing to do, and each is a lease that is renewed.
const SHARDS_MAX: i64 = 64;

/// Run the daemon: follow Repositories and Environments, apply commits, put back drift
///
/// Runs in a cluster (`plumb install`) or beside one, with a kubeconfig. Needs plumb's CustomResourceDefinitions, which
/// --bootstrap installs. Stops at SIGTERM and SIGINT; killed in the middle, it goes on where the cluster is.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "Examples:
  plumb run --bootstrap environments/plumb              against the cluster of your kubeconfig
  plumb run --kubeconfig eu-1.yaml --log-format json    against another one, with a log for machines
  RUST_LOG=plumb=debug plumb run                        says more")]
pub struct RunArgs {
    /// Kubeconfig of the cluster; without it $KUBECONFIG, ~/.kube/config, or the Pod's own service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// First install the CustomResourceDefinitions and apply the YAML files of this directory; then follow its changes
    #[arg(long, value_name = "DIR")]
    bootstrap: Option<PathBuf>,
    /// Allow Repositories with file:// URLs: anybody who may create a Repository can then read Git repositories that
    /// plumb can read
    #[arg(long)]
    allow_file_repositories: bool,
    /// With --allow-file-repositories: a local repository that may belong to another user; `*` means all
    #[arg(long = "safe-directory", value_name = "DIR", requires = "allow_file_repositories")]
    safe_directories: Vec<PathBuf>,
    /// Service account, in the Environment's namespace, for Environments that name none; without it they are written with
    /// plumb's own rights
    #[arg(long, value_name = "NAME", value_parser = flags::service_account)]
    default_service_account: Option<String>,
    /// Where mirrors of repositories are kept; a cache that may be lost [default: plumb/data in the user's cache]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of /metrics, /healthz and /readyz
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    metrics: SocketAddr,
    /// Into how many shards the work is divided, each of which one replica at a time has; all replicas need the same
    /// number
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=SHARDS_MAX))]
    shards: u32,
    /// How long a replica that is gone is waited for before another one goes on: whole seconds from 2s to 1h
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = flags::lease_duration)]
    lease_duration: Timing,
    /// Namespace of the leases [default: the Pod's own, outside of Pods plumb-system, which is made if it is missing]
    #[arg(long, value_name = "NAMESPACE")]
    lease_namespace: Option<String>,
    /// How often everything is listed anew, in case that an event was missed: from 1s on
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = flags::resync)]
    resync: Duration,
    /// How many runs of all PipelineTriggers may go on at once; what is above waits
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    max_runs: u32,
    /// Name of this cluster in the ref of its notes, refs/notes/plumb/NAME [default: the UID of its namespace kube-system]
    #[arg(long, value_name = "NAME", value_parser = flags::cluster_name)]
    cluster_name: Option<String>,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object each.
    Json,
}

/// Runs the daemon until SIGTERM, SIGINT, or until it can't go on.
pub async fn run(arguments: RunArgs) -> anyhow::Result<()> {
    let RunArgs {
        kubeconfig,
        context,
        bootstrap,
        allow_file_repositories,
        safe_directories,
        default_service_account,
        data,
        metrics,
        shards,
        lease_duration: timing,
        lease_namespace,
        resync,
        max_runs,
        cluster_name,
        log_format,
    } = arguments;
    crate::logs::start(log_format);
    let data = data_directory(data)?;
    let config = crate::connect::config(kubeconfig.as_deref(), context.as_deref()).await?;
    let server = config.cluster_url.to_string();
    let clock = Clock::system();
    let metrics_of = Metrics::new()?;
    let heard = metrics_of.clone();
    let namespace = lease_namespace.unwrap_or_else(crate::connect::own_namespace);
    let connections =
        client::connect(config.clone(), clock.random())?.heard_by(Arc::new(move |traffic| heard.traffic(traffic)));
    let cluster = Cluster::new(connections);
    let leases = Cluster::new(client::connect(config, clock.random())?);
    let stop = CancellationToken::new();
    let readiness = Readiness::default();
    let (address, port) = http::serve(metrics, metrics_of.clone(), readiness.clone(), stop.clone()).await?;
    let Own { me, gone, lock } = replica::identify(&data, &clock);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %server, metrics = %address, data = %data.display(), replica = %me, "plumb starts");
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    tasks.spawn(async move {
        port.await;
        Ok(())
    });
    tokio::spawn(stop_on_signal(stop.clone()));
    let Some(uid) = wait_for_server(&cluster, &clock, &stop).await? else { return Ok(()) };
    let (given, tenures) = Tenures::open(&uid, shards);
    let keeper = Keeper {
        leases: Leases::new(leases, &namespace),
        cluster: cluster.clone(),
        me: me.clone(),
        timing,
        shards: Shards::new(me.clone(), gone, timing, shards),
        clock: clock.clone(),
        tenures: given,
        metrics: metrics_of.clone(),
    };
    let leases_stop = CancellationToken::new();
    let mut keeping = tokio::spawn(keeper.run(leases_stop.clone()));
    let parts = Parts {
        cluster,
        clock,
        data,
        bootstrap,
        file_urls: if allow_file_repositories { FileUrls::Allowed } else { FileUrls::Refused },
        safe_directories,
        default_service_account,
        metrics: metrics_of,
        readiness,
        me,
        tenures,
        resync,
        max_runs,
        cluster_name: cluster_name.unwrap_or(uid),
    };
    let result = tokio::select! {
        result = work(parts, tasks, stop) => result,
        ended = &mut keeping => {
            return Err(anyhow::anyhow!("leases are no longer kept ({ended:?}); the daemon ends so that it is started anew"));
        }
    };
    // Only now does nothing write any more.
    leases_stop.cancel();
    if tokio::time::timeout(STOP_WITHIN, keeping).await.is_err() {
        tracing::warn!("the leases could not be released: another replica waits until they have expired");
    }
    drop(lock);
    tracing::info!("plumb stops");
    result
}

/// What the daemon is made of once it is known who it is and where.
struct Parts {
    cluster: Cluster,
    clock: Clock,
    data: PathBuf,
    bootstrap: Option<PathBuf>,
    file_urls: FileUrls,
    safe_directories: Vec<PathBuf>,
    default_service_account: Option<String>,
    metrics: Metrics,
    readiness: Readiness,
    me: Replica,
    tenures: Tenures,
    resync: Duration,
    max_runs: u32,
    cluster_name: String,
}

/// Does the daemon's work until `stop`.
async fn work(parts: Parts, mut tasks: JoinSet<anyhow::Result<()>>, stop: CancellationToken) -> anyhow::Result<()> {
    let Parts {
        cluster,
        clock,
        data,
        bootstrap,
        file_urls,
        safe_directories,
        default_service_account,
        metrics,
        readiness,
        me,
        tenures,
        resync,
        max_runs,
        cluster_name,
    } = parts;
    if let Some(directory) = bootstrap {
        let started = tokio::select! {
            started = bootstrap::start(&cluster, &tenures, &directory) => started?,
            () = stop.cancelled() => return Ok(()),
        };
        tasks.spawn(started.run(cluster.clone(), stop.clone()));
    }
    // From here on, nothing is written without a tenure.
    let cluster = cluster.during(&Tenure::none());
    let (events, queue) = mpsc::channel(EVENTS_MAX);
    let (journal, writer) = Journal::open(metrics.clone(), cluster.clone(), me.as_str(), stop.clone());
    tasks.spawn(async move {
        writer.await;
        Ok(())
    });
    let index = Arc::new(Mutex::new(Index::default()));
    metrics.overview().index = Some(Arc::clone(&index));
    let (watches, news) = Watches::new(cluster.clone(), index);
    let mirrors = Mirrors::new(data.join("mirrors"));
    let context = Arc::new(Context::new(
        cluster.clone(),
        default_service_account,
        watches.relisting(resync),
        mirrors.clone(),
        metrics,
        journal.clone(),
        clock.clone(),
    ));
    let builder = Arc::new(Builder::new(cluster.clone(), usize::try_from(max_runs).unwrap_or(usize::MAX)));
    tasks.spawn(feeds::forward_runs(builder.runs.clone(), events.clone(), stop.clone()));
    tasks.spawn(feeds::forward(news, events.clone(), stop.clone()));
    tasks.spawn(feeds::forward_tenures(tenures.clone(), events.clone(), stop.clone()));
    tasks.spawn(watch_over(Arc::clone(&context), stop.clone()));
    scan(&context, &clock, &stop).await;
    feeds::follow_resources(&cluster, &events, &stop, &mut tasks).await?;
    let workers = Workers::new(worker_command(&data, &safe_directories)?.spawner(), WORKERS_MAX);
    let metrics = context.metrics.clone();
    tasks.spawn(keep_tidy(mirrors.clone(), readiness.clone(), stop.clone()));
    let backlog = Backlog::default();
    metrics.overview().backlog = backlog.clone();
    let ground = Ground {
        cluster,
        metrics,
        workers,
        clock,
        events,
        journal,
        mirrors,
        file_urls,
        local_watches: LocalWatches::default(),
        tenures,
        backlog,
        cluster_name,
    };
    let main = Loop::new(context, builder, ground, readiness, stop.clone()).run(queue);
    supervise(main, tasks, stop).await
}

async fn keep_tidy(mirrors: Mirrors, readiness: Readiness, stop: CancellationToken) -> anyhow::Result<()> {
    mirrors.keep_tidy(readiness, stop).await;
    Ok(())
}

/// Waits for the loop or for a task that must not end before it.
async fn supervise(
    main: impl Future<Output = Result<(), crate::main_loop::Broken>>,
    mut tasks: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut main = std::pin::pin!(main);
    let result = loop {
        tokio::select! {
            result = &mut main => break result.map_err(anyhow::Error::from),
            Some(ended) = tasks.join_next() => match ended {
                _ if stop.is_cancelled() => {}
                Ok(Ok(())) => break Err(anyhow::anyhow!("a task of the daemon ended early; it ends so that it is started anew")),
                Ok(Err(error)) => break Err(error),
                Err(error) => break Err(anyhow::Error::from(error).context("a task of the daemon panicked")),
            },
        }
    };
    stop.cancel();
    let rest = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_WITHIN, rest).await.is_err() {
        tracing::warn!("some tasks did not end within {} s", STOP_WITHIN.as_secs());
    }
    result
}

fn data_directory(data: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let directory = match data {
        Some(directory) => directory,
        None => crate::connect::cache_directory()
            .context("no place for mirrors is known: set HOME or XDG_CACHE_HOME, or pass --data DIR")?
            .join("plumb/data"),
    };
    // Git workers run elsewhere: a relative path would be another one there.
    let directory = std::path::absolute(&directory)?;
    let mirrors = directory.join("mirrors");
    std::fs::create_dir_all(&mirrors)
        .with_context(|| format!("cannot make {}: choose another place with --data", mirrors.display()))?;
    Ok(directory)
}

/// Returns how a Git worker is started: this very program, with an empty environment but for where certificates are.
pub(crate) fn worker_command(data: &Path, safe_directories: &[PathBuf]) -> anyhow::Result<WorkerCommand> {
    let program = std::env::current_exe().context("the path of this program is not known, and Git workers need it")?;
    let passed = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter();
    let environment = passed.filter_map(|name| Some((name.into(), std::env::var_os(name)?))).collect();
    let homes = data.join("homes");
    // What a killed daemon left; its workers have ended with it.
    let _ = std::fs::remove_dir_all(&homes);
    std::fs::create_dir_all(&homes).with_context(|| format!("cannot make {}", homes.display()))?;
    let trusted = safe_directories.iter().flat_map(|directory| ["--safe-directory".into(), directory.into()]);
    let arguments = std::iter::once("git-worker".into()).chain(trusted).collect();
    Ok(WorkerCommand { program, arguments, environment, homes })
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("signals can't be received: end plumb with SIGKILL");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
}

/// Waits until the API server answers, since it may come up after plumb, and returns the cluster's UID; nothing if it was
/// told to stop before.
async fn wait_for_server(cluster: &Cluster, clock: &Clock, stop: &CancellationToken) -> anyhow::Result<Option<String>> {
    for failures in 1.. {
        let error = match cluster.uid().await {
            Ok(uid) => return Ok(Some(uid)),
            Err(error) => error,
        };
        let class = error.class();
        if class != Class::Retry {
            return Err(error.into());
        }
        tracing::warn!("the API server does not answer, trying again: {}", chain(&error));
        tokio::select! {
            () = tokio::time::sleep(backoff::delay(class, failures, clock.random())) => {}
            () = stop.cancelled() => bail!("stopped before the API server answered"),
        }
    }
    Ok(None)
}

/// Looks once for labelled objects of every kind, so that they are watched whatever a parent's record says.
async fn scan(context: &Arc<Context>, clock: &Clock, stop: &CancellationToken) {
    for failures in 1..=3 {
        let Err(error) = context.scan().await else { return };
        tracing::warn!("the kinds of the cluster could not be read: {}", chain(&error));
        tokio::select! {
            () = tokio::time::sleep(backoff::delay(error.class(), failures, clock.random())) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Ends the daemon when a watch panics: drift would go unseen.
async fn watch_over(context: Arc<Context>, stop: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        panic = context.watches.panicked() => bail!("{panic}; the daemon ends so that it is started anew"),
        () = stop.cancelled() => context.watches.stop().await,
    }
    Ok(())
}
