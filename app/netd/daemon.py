"""The objects of netd, created in the order of their layers, and the tasks that run.

This is the only place that creates them. Constructors receive everything that an object uses; nothing is wired later.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from app.errors import InvalidFieldError
from app.model import Lease
from app.netd.adapters import RECORD, AdapterMonitor
from app.netd.adoption import AdoptionRecord
from app.netd.automatic_switches import ReturnToFirstChoice, ScheduledSwitches
from app.netd.backup import BackupService
from app.netd.bulk import BulkRunner
from app.netd.cabling import CablingMonitor
from app.netd.clockstep import ClockSteps, keep_leases
from app.netd.commands import Commands
from app.netd.connect_commands import ConnectCommands
from app.netd.connection_table import watch_connections
from app.netd.dependencies import Dependencies
from app.netd.device_policy import DevicePolicies
from app.netd.events import EventBus
from app.netd.exits import Exits
from app.netd.failover import Failover
from app.netd.file_keys import FileKeys
from app.netd.gateway import NetdGateway
from app.netd.history import HistoryRecorder
from app.netd.imports import ServerImporter
from app.netd.intent import Intent
from app.netd.lan_devices import LanDevices
from app.netd.lan_misuse import LanMisuseMonitor
from app.netd.lan_services_loop import LanServicesLoop
from app.netd.leak_test import LeakTester
from app.netd.leases import watch_leases
from app.netd.maintenance import ProviderMaintenance
from app.netd.network import NetworkController
from app.netd.owner import OwnerCheck
from app.netd.post_quantum_alerts import PostQuantumAlerts
from app.netd.preferences import PreferenceCommands
from app.netd.provider_accounts import ProviderAccounts
from app.netd.provider_egress import ProviderEgress, environment
from app.netd.resolver_watch import ResolverWatch
from app.netd.server_commands import ServerCommands
from app.netd.server_directory import ServerDirectory
from app.netd.server_latency import ServerLatencies
from app.netd.server_places import ServerPlaces
from app.netd.snapshot import SnapshotReader
from app.netd.software_age import watch_age
from app.netd.stalls import StallMonitor
from app.netd.statistics import Statistics
from app.netd.support_file import SupportFile
from app.netd.unproven_keys import UnprovenKeys
from app.netd.wan_port import WanChooser
from app.network import nft
from app.network.neighbours import probe, read_neighbours
from app.network.ruleset.bridge import FLOODING, IMPOSTORS
from app.protocol.events import SecurityAlert
from app.providers.registry import Registry
from app.tasks import end
from app.tunnel.clock import boottime
from app.tunnel.failure_history import FailureHistory
from app.tunnel.states import policy_for

Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Daemon:
    """The assembled netd."""

    gateway: NetdGateway
    network: NetworkController
    exits: Exits
    events: EventBus
    commands: Commands
    statistics: Statistics
    lan_services: LanServicesLoop
    jobs: Mapping[str, Job]  # each runs until it is cancelled
    problems: tuple[str, ...]  # found in the stored state, as messages

    async def start(self) -> None:
        """Adopt or resume the exits, apply the first plan, and publish the problems of the stored state."""
        self.exits.start()
        await self.network.start()
        for problem in self.problems:
            self.events.publish(SecurityAlert("state", problem))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Run all tasks during the context. A task that returns is a bug, which ends the others and is raised."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_run_forever(name, job), name=name) for name, job in self.jobs.items()]
            try:
                yield
            finally:
                await end(tasks)

    async def close(self) -> None:
        """Write the statistics. The kernel keeps its network."""
        await self.statistics.close()


async def _run_forever(name: str, job: Job) -> None:
    await job()
    raise RuntimeError(f"the task {name!r} has ended by itself")


async def assemble(deps: Dependencies, restart: asyncio.Event, problems: Iterable[str] = ()) -> Daemon:
    """Create all objects of netd without any change to the kernel. ``restart`` is set when the process has to end."""
    store, wan_port, run_dir = deps.store, deps.wan_port, deps.run_dir
    try:
        store.update_settings(wan_port.with_card_ports)
    except InvalidFieldError as error:  # the start must not end here: the LAN keeps its page
        problems = (*problems, f"the ports of gateway.toml are not used: {error.message}")
    wan_port.write_choice(store.settings.links)
    settings = store.settings
    events = EventBus()
    publish = events.publish

    # The network, with the tunnels that are already up.
    record = AdoptionRecord(run_dir / "runtime.json")
    adopted = await record.adoptable(deps.backend, settings)
    network = NetworkController(
        store=store,
        make_kernel=deps.make_kernel,
        link_source=deps.link_source,
        links=await deps.link_source.observe(settings),
        exit_plans={n: policy_for(n, i, adopted[n]) for i, n in enumerate(settings.exits) if n in adopted},
        time_sync=deps.time_sync,
        flowtable=deps.flowtable,
        http_ports=deps.http_ports,
        publish=publish,
    )
    lan_services = LanServicesLoop(deps.services, network, store, publish)
    resolver_watch = ResolverWatch(network, publish)
    egress = ProviderEgress(network, publish)
    provider_environment = environment(store, deps.state_dir, egress, deps.providers)
    provider_environment.accounts.load()
    registry = Registry(store, provider_environment)

    def on_problem(problem: str) -> None:
        publish(SecurityAlert("statistics", problem))

    statistics = Statistics(
        deps.state_dir,
        flowtable=deps.flowtable,
        exits=lambda: store.settings.exits,
        lan=lambda: ([link.name for link in network.links.lan], store.settings.lan.networks),
        on_rates=events.publish_rates,
        on_problem=on_problem,
    )
    history = HistoryRecorder(statistics, egress.contacts)

    # Servers, and the exits that use them.
    intent = Intent(store)
    failures = FailureHistory(boottime)
    latencies = ServerLatencies(network)
    directory = ServerDirectory(
        providers=registry, store=store, latencies=latencies, failures=failures, publish=publish
    )
    unproven = UnprovenKeys(registry)
    failover = Failover(
        providers=registry,
        directory=directory,
        intent=intent,
        store=store,
        failures=failures,
        unproven=unproven,
        publish=publish,
    )
    clock_steps = ClockSteps()
    exits = Exits(
        network=network,
        backend=deps.backend,
        intent=intent,
        store=store,
        providers=registry,
        failover=failover,
        keys=unproven,
        record=record,
        adopted=adopted,
        last_traffic=statistics.last_traffic,
        clock_behind=lambda: clock_steps.behind,
        observers=(history.on_transition, failover.on_transition, PostQuantumAlerts(publish).on_transition),
        publish=publish,
    )

    # The users of the exits: timers and commands.
    scheduled = ScheduledSwitches(exits, directory, store)
    return_to_first = ReturnToFirstChoice(
        exits=exits, directory=directory, intent=intent, store=store, failures=failures
    )
    places = ServerPlaces(intent, directory, store)
    maintenance = ProviderMaintenance(registry, exits, publish)
    owner = OwnerCheck(deps.state_dir)
    backup = BackupService(
        store,
        deps.state_dir,
        freeze=exits.freeze,
        closing=(store.close, provider_environment.accounts.close),
        restart=restart,
        check_owner=owner.check,
    )
    check_not_restarting = backup.check_not_restarting

    async def update_hosts(leases: Iterable[Lease], in_use: dict[str, IPv4Address]) -> None:
        await deps.services.update_hosts(store.settings, leases, in_use)

    lan_devices = LanDevices(
        leases=deps.services.leases,
        update_hosts=update_hosts,
        read_neighbours=read_neighbours,
        probe=probe,
        links=lambda: network.links,
        store=store,
        publish=publish,
    )
    snapshots = SnapshotReader(
        store=store,
        network=network,
        exits=exits,
        resolvers=resolver_watch,
        wan_port=wan_port,
        events=events,
        leases=deps.services.leases,
        neighbours=lambda: lan_devices.neighbours,
        check_not_restarting=check_not_restarting,
    )
    file_keys = FileKeys(store, registry)
    importer = ServerImporter(store, publish, check_not_restarting, file_keys)
    handlers = (
        ConnectCommands(exits=exits, directory=directory, intent=intent, store=store, failures=failures, keys=unproven),
        ServerCommands(
            store=store,
            providers=registry,
            directory=directory,
            intent=intent,
            importer=importer,
            exits=exits,
            publish=publish,
        ),
        ProviderAccounts(
            providers=registry, exits=exits, verdicts=failover, store=store, file_keys=file_keys, publish=publish
        ),
        DevicePolicies(store=store, network=network, exits=exits, publish=publish, check_owner=owner.check),
        PreferenceCommands(store, publish, lan_services.update),
        WanChooser(wan_port=wan_port, network=network, store=store, publish=publish),
        LeakTester(network, exits, store),
        history,
        owner,
        backup,
        deps.logs,
        SupportFile(
            state_dir=deps.state_dir,
            store=store,
            registry=registry,
            network=network,
            statistics=statistics,
            snapshot=snapshots.read,
            logs=deps.logs,
        ),
    )
    single_commands = Commands((entry for handler in handlers for entry in handler.handlers()), check_not_restarting)
    bulk = BulkRunner(
        run=single_commands.run, store=store, exits=exits, network=network, importer=importer, publish=publish
    )
    commands = single_commands.with_entries(bulk.handlers())

    cabling = CablingMonitor(
        problem=lambda: network.links.problem, drops=network.drops, foreign=network.foreign, publish=publish
    )
    misuse = LanMisuseMonitor(
        drops=network.drops,
        impostors=lambda: nft.elements("bridge", IMPOSTORS),
        flooding=lambda: nft.elements("bridge", FLOODING),
        publish=publish,
    )
    adapters = AdapterMonitor(run_dir / RECORD, publish=publish)
    stalls = StallMonitor(
        ports=lambda: [port.name for port in network.links.ports if port.carrier and not port.radio], publish=publish
    )
    return Daemon(
        gateway=NetdGateway(snapshots=snapshots, events=events, commands=commands, bulk=bulk, registry=registry),
        network=network,
        exits=exits,
        events=events,
        commands=commands,
        statistics=statistics,
        lan_services=lan_services,
        jobs={
            "reconciler": network.run,
            "links": network.watch_links,
            "openings": network.close_openings,
            "time": lambda: deps.time_sync.watch(network.replan, publish),
            "time servers": lambda: deps.time_sync.resolve(network.lookup),
            "services": lan_services.run,
            "clock steps": lambda: keep_leases(
                clock_steps, deps.services.lease_path, deps.services.lease_file, lan_services.move_leases
            ),
            "providers": maintenance.run,
            "devices": lan_devices.run,
            "addresses in use": lan_devices.ask,
            "leases": lambda: watch_leases(deps.services.leases, publish),
            "statistics": statistics.run,
            "failover": return_to_first.run,
            "schedule": scheduled.run,
            "cabling": cabling.run,
            "misuse": misuse.run,
            "adapters": adapters.run,
            "stalls": stalls.run,
            "software age": lambda: watch_age(publish),
            "connection table": lambda: watch_connections(publish),
            "resolvers": resolver_watch.run,
            "places": places.run,
            **{f"exit {machine.name}": machine.run for machine in exits.machines},
        },
        problems=(*store.problems, *provider_environment.accounts.problems, *problems),
    )
