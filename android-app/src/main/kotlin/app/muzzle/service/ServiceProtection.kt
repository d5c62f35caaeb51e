package app.muzzle.service

import android.app.Application
import android.content.Intent
import android.net.VpnService
import android.os.Handler
import android.os.Looper
import android.os.SystemClock
import android.util.Log
import app.muzzle.Graph
import app.muzzle.core.Core
import app.muzzle.core.CoreException
import app.muzzle.core.Work
import app.muzzle.settings.OwnerSettings
import app.muzzle.settings.policy
import java.io.File
import java.util.concurrent.Executors

/** What only the running service can do. */
interface Tunnels {
    /** A TUN that belongs to the caller; null where the VPN is not granted. Any thread but the main one. */
    fun establish(plan: Plan): Int?

    /** Ends the service. */
    fun end()
}

/**
 * Carries out what the machine decides. Events come on the main thread; whatever speaks to the core or
 * the disk goes down one line of its own, in order.
 */
class ServiceProtection(
    private val app: Application,
    private val graph: Graph,
    private val line: Work = Work(Executors.newSingleThreadExecutor { Thread(it, "service").apply { isDaemon = true } }),
) : Protection {
    private val handler = Handler(Looper.getMainLooper())
    private val wake = Runnable { handle(Event.Wake) }
    private val alive = AliveMark(File(app.filesDir, "alive"))
    private val notices = Notices(app)
    private val listeners = mutableListOf<(ProtectionState) -> Unit>()
    private val events = ArrayDeque<Event>()
    private var machine = MachineState()
    private var tunnels: Tunnels? = null
    private var choices = graph.settings.now.choices()
    private var networkResolvers = emptyList<String>()

    /** The core that has a TUN or had one; used on the line only. */
    private var core: Core? = null

    override val state get() = machine.shown

    init {
        graph.settings.listen { settings -> onMain { chosen(settings) } }
        val settings = graph.settings.now
        handle(Event.Born(settings.wanted, settings.pausedUntil, settings.plan(), lost()))
    }

    override fun start() = handle(Event.Start)

    override fun refused(why: Trouble) = handle(Event.NotGranted(why))

    override fun stop() = handle(Event.Stop)

    override fun pause(minutes: Int) = handle(Event.Pause(graph.clock.millis() + minutes * MINUTE_MS))

    override fun resume() = handle(Event.Resume)

    /** A clock that stood while the phone slept may have missed the end of a pause. */
    override fun listen(listener: (ProtectionState) -> Unit) {
        listeners += listener
        handle(Event.Wake)
    }

    override fun forget(listener: (ProtectionState) -> Unit) {
        listeners -= listener
    }

    fun serviceUp(
        service: Tunnels,
        bySystem: Boolean,
    ) {
        tunnels = service
        handle(Event.ServiceUp(bySystem))
    }

    fun serviceGone(service: Tunnels) {
        if (tunnels !== service) return
        tunnels = null
        handle(Event.ServiceGone)
    }

    fun revoked() = onMain { handle(Event.Revoked) }

    fun coreEnded() = onMain { handle(Event.CoreEnded) }

    fun coreReplaced() = onMain { handle(Event.CoreReplaced) }

    fun networkChanged(resolvers: List<String>) {
        networkResolvers = resolvers
        handle(Event.NetworkChanged(choices.resolvers.ifEmpty { resolvers }))
    }

    fun networkLost() {
        networkResolvers = emptyList()
        handle(Event.NetworkLost)
    }

    fun packageChanged(packageName: String) = handle(Event.PackageChanged(packageName))

    /** Once a minute while the service runs. */
    fun tick() {
        if (machine.phase is Phase.Up) carryOut(Effect.Mark(graph.clock.millis()))
    }

    /** The phone is being switched off: the process may end before the line gets to it. */
    fun shuttingDown() {
        if (machine.phase is Phase.Up) alive.write(AliveMark.Mark(graph.clock.millis(), shutdown = true))
    }

    private fun lost(): OpenGap? {
        val mark = alive.read() ?: return null
        val now = graph.clock.millis()
        val updated = app.packageManager.getPackageInfo(app.packageName, 0).lastUpdateTime
        return lostSince(mark, now - SystemClock.elapsedRealtime(), updated, now)
    }

    private fun chosen(settings: OwnerSettings) {
        val new = settings.choices()
        if (new == choices) return
        choices = new
        handle(Event.Chosen(settings.plan()))
        handle(Event.NetworkChanged(new.resolvers.ifEmpty { networkResolvers }))
    }

    /** An effect may bring the next event at once; it waits until the effects of this one are done. */
    private fun handle(event: Event) {
        events += event
        if (events.size > 1) return
        while (events.isNotEmpty()) {
            val before = state
            val step = machine.after(events.first(), graph.clock.millis())
            machine = step.state
            step.effects.forEach(::carryOut)
            if (state != before) tell()
            events.removeFirst()
        }
    }

    private fun tell() {
        notices.trouble(state, machine.wanted)
        listeners.toList().forEach { it(state) }
    }

    private fun carryOut(effect: Effect) {
        when (effect) {
            Effect.AskGrant -> handle(if (VpnService.prepare(app) == null) Event.Granted else Event.NotGranted(Trouble.NOT_GRANTED))
            Effect.Launch -> launch()
            is Effect.OpenTun -> openTun(effect)
            Effect.CloseTun -> inLine { core?.detachTun() }
            Effect.EndService -> tunnels?.also { tunnels = null }?.end()
            is Effect.SendPolicy -> inLine { sendPolicy(graph.core, effect.pausedUntil) }
            is Effect.SendNetwork -> inLine { core?.networkChanged(effect.resolvers) }
            is Effect.Keep ->
                inLine { graph.settings.update { it.copy(wanted = effect.wanted, pausedUntil = effect.pausedUntil) } }
            is Effect.WakeAt -> wakeIn(effect.time - graph.clock.millis())
            Effect.NoWake -> handler.removeCallbacks(wake)
            is Effect.NoteGap -> inLine { graph.core.gap(effect.start, effect.end, effect.reason) }
            is Effect.Mark -> inLine { alive.write(AliveMark.Mark(effect.time)) }
            Effect.Unmark -> inLine { alive.clear() }
        }
    }

    private fun launch() {
        if (tunnels != null) return handle(Event.ServiceUp(bySystem = false))
        try {
            app.startForegroundService(Intent(app, MuzzleService::class.java))
        } catch (e: IllegalStateException) {
            Log.w(TAG, "the system does not start the service", e)
            handle(Event.ServiceRefused)
        }
    }

    private fun openTun(effect: Effect.OpenTun) {
        val from = tunnels
        val pause = machine.pausedUntil
        line.run({ attach(from, effect, pause) }) { result ->
            result.exceptionOrNull()?.let { Log.w(TAG, "no TUN", it) }
            val trouble = result.fold({ it }, ::troubleOf)
            handle(trouble?.let { Event.TunFailed(effect.attempt, it) } ?: Event.TunUp(effect.attempt))
        }
    }

    private fun attach(
        from: Tunnels?,
        effect: Effect.OpenTun,
        pausedUntil: Long?,
    ): Trouble? {
        if (from == null) return Trouble.NO_TUN
        val core = graph.core
        sendPolicy(core, pausedUntil)
        val fd = from.establish(effect.plan) ?: return Trouble.NOT_GRANTED
        this.core = core
        core.attachTun(fd, effect.plan.reach, effect.resolvers.ifEmpty { NO_RESOLVERS })
        return null
    }

    private fun troubleOf(error: Throwable): Trouble =
        if (error is CoreException && error.code.startsWith("store-")) Trouble.NO_STORE else Trouble.NO_TUN

    private fun sendPolicy(
        core: Core,
        pausedUntil: Long?,
    ) {
        graph.warnings.told(core.setPolicy(graph.settings.now.copy(pausedUntil = pausedUntil).policy(graph.apps::uids)))
    }

    private fun wakeIn(ms: Long) {
        handler.removeCallbacks(wake)
        handler.postDelayed(wake, ms)
    }

    private fun inLine(job: () -> Unit) {
        line.run(job) { result -> result.exceptionOrNull()?.let { Log.w(TAG, "left undone", it) } }
    }

    private fun onMain(job: () -> Unit) {
        if (Looper.myLooper() == Looper.getMainLooper()) job() else handler.post(job)
    }

    private companion object {
        const val TAG = "muzzle"
        const val MINUTE_MS = 60_000L

        /** While there is no network: nobody answers there, and nothing leaves the phone. */
        val NO_RESOLVERS = listOf("127.0.0.1")
    }
}

/** Only what the policy and the TUN are made of. */
private fun OwnerSettings.choices() =
    OwnerSettings(
        reach = reach,
        default = default,
        capture = capture,
        apps = apps,
        hosts = hosts,
        categories = categories,
        listsOff = listsOff,
        bypass = bypass,
        resolvers = resolvers,
    )
