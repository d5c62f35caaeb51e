package app.muzzle.service

/** How far protection is. */
sealed interface Phase {
    data object Idle : Phase

    /** The system was asked whether the VPN is granted. */
    data object Asking : Phase

    /** The service was asked for. */
    data object Launching : Phase

    /** A TUN was asked for, and none runs. */
    data object Opening : Phase

    /** A TUN runs since a time; a second one is on its way where [rebuilding]. */
    data class Up(
        val since: Long,
        val rebuilding: Boolean = false,
    ) : Phase

    data class Failed(
        val why: Trouble,
    ) : Phase
}

/** Protection was wanted and did not run since a time, milliseconds; [reason] is the store's code. */
data class OpenGap(
    val start: Long,
    val reason: String,
)

data class MachineState(
    val wanted: Boolean = false,
    val phase: Phase = Phase.Idle,
    val pausedUntil: Long? = null,
    val plan: Plan = Plan(),
    /** Those of the network; empty while there is none. */
    val resolvers: List<String> = emptyList(),
    /** Counts the TUNs asked for: the answer for an older one says nothing. */
    val attempt: Int = 0,
    val gap: OpenGap? = null,
) {
    val shown: ProtectionState
        get() =
            when (phase) {
                Phase.Idle -> ProtectionState.Off
                Phase.Asking, Phase.Launching, Phase.Opening -> ProtectionState.Starting
                is Phase.Up -> pausedUntil?.let { ProtectionState.Paused(it) } ?: ProtectionState.On(phase.since)
                is Phase.Failed -> ProtectionState.Failed(phase.why)
            }
}

/** What happened. Times are milliseconds. */
sealed interface Event {
    /** The process began; [lost] is since when protection is missed. */
    data class Born(
        val wanted: Boolean,
        val pausedUntil: Long?,
        val plan: Plan,
        val lost: OpenGap?,
    ) : Event

    data object Start : Event

    data object Stop : Event

    data class Pause(
        val until: Long,
    ) : Event

    data object Resume : Event

    /** The time of a pause may be over. */
    data object Wake : Event

    data object Granted : Event

    data class NotGranted(
        val why: Trouble,
    ) : Event

    /** The service runs; [bySystem] where always-on VPN started it. */
    data class ServiceUp(
        val bySystem: Boolean,
    ) : Event

    data object ServiceRefused : Event

    data object ServiceGone : Event

    data class TunUp(
        val attempt: Int,
    ) : Event

    data class TunFailed(
        val attempt: Int,
        val why: Trouble,
    ) : Event

    data object CoreEnded : Event

    /** The log began anew under another core, which knows no policy and has no TUN. */
    data object CoreReplaced : Event

    /** Another VPN took over, or the owner took the grant back. */
    data object Revoked : Event

    data class NetworkChanged(
        val resolvers: List<String>,
    ) : Event

    data object NetworkLost : Event

    /** The owner's choices changed. */
    data class Chosen(
        val plan: Plan,
    ) : Event

    /** A package came, went or was replaced, and may have another user id. */
    data class PackageChanged(
        val packageName: String,
    ) : Event
}

/** What is to be done, in this order. */
sealed interface Effect {
    data object AskGrant : Effect

    data object Launch : Effect

    data class OpenTun(
        val attempt: Int,
        val plan: Plan,
        val resolvers: List<String>,
    ) : Effect

    data object CloseTun : Effect

    data object EndService : Effect

    data class SendPolicy(
        val pausedUntil: Long?,
    ) : Effect

    data class SendNetwork(
        val resolvers: List<String>,
    ) : Effect

    /** Into the settings. */
    data class Keep(
        val wanted: Boolean,
        val pausedUntil: Long?,
    ) : Effect

    data class WakeAt(
        val time: Long,
    ) : Effect

    data object NoWake : Effect

    /** [end] is null while the gap lasts. */
    data class NoteGap(
        val start: Long,
        val end: Long?,
        val reason: String,
    ) : Effect

    /** Protection ran until now. */
    data class Mark(
        val time: Long,
    ) : Effect

    /** Nobody misses protection from now on. */
    data object Unmark : Effect
}

data class Step(
    val state: MachineState,
    val effects: List<Effect> = emptyList(),
)

/** The way from one state to the next. Pure: [now] is an argument, effects are the caller's. */
fun MachineState.after(
    event: Event,
    now: Long,
): Step =
    when (event) {
        is Event.Born -> born(event, now)
        Event.Start -> start()
        Event.Stop -> stop(now)
        is Event.Pause -> pause(event.until, now)
        Event.Resume -> resume()
        Event.Wake -> wake(now)
        Event.Granted ->
            if (phase == Phase.Asking) Step(copy(phase = Phase.Launching), listOf(Effect.Launch)) else Step(this)
        is Event.NotGranted -> if (starting || phase is Phase.Up) fail(event.why, now) else refused(event.why)
        is Event.ServiceUp -> serviceUp(event.bySystem)
        Event.ServiceRefused -> if (starting) fail(Trouble.NO_TUN, now) else Step(this)
        Event.ServiceGone -> if (opening) fail(Trouble.NO_TUN, now) else Step(this)
        is Event.TunUp -> if (event.attempt == attempt && opening) tunUp(now) else Step(this)
        is Event.TunFailed -> if (event.attempt == attempt && opening) fail(event.why, now) else Step(this)
        Event.CoreEnded -> coreEnded(now)
        Event.CoreReplaced -> rebuilt(Effect.SendPolicy(pausedUntil))
        Event.Revoked -> if (phase == Phase.Idle) Step(this) else fail(Trouble.REVOKED, now)
        is Event.NetworkChanged -> networkChanged(event.resolvers)
        Event.NetworkLost -> Step(copy(resolvers = emptyList()))
        is Event.Chosen -> chosen(event.plan)
        is Event.PackageChanged -> packageChanged(event.packageName)
    }

/** A core that ended sooner than this is not tried again. */
const val ENDED_TOO_SOON_MS = 60_000L

private val MachineState.starting get() = shown == ProtectionState.Starting

/** A TUN runs or is on its way. */
private val MachineState.opening get() = phase == Phase.Opening || phase is Phase.Up

private val MachineState.keep get() = Effect.Keep(wanted, pausedUntil)

private fun MachineState.born(
    event: Event.Born,
    now: Long,
): Step {
    val pause = event.pausedUntil?.takeIf { it > now && event.wanted }
    val policy = Effect.SendPolicy(pause)
    val state = copy(wanted = event.wanted, pausedUntil = pause, plan = event.plan)
    if (!event.wanted) return Step(state, listOf(policy))
    return Step(
        state.copy(phase = Phase.Asking, gap = event.lost),
        listOfNotNull(policy, pause?.let { Effect.WakeAt(it) }, Effect.AskGrant),
    )
}

private fun MachineState.start(): Step =
    when {
        pausedUntil != null -> resume()
        starting || phase is Phase.Up -> Step(this)
        else -> copy(wanted = true, phase = Phase.Asking).let { Step(it, listOf(it.keep, Effect.AskGrant)) }
    }

private fun MachineState.stop(now: Long): Step {
    val state = copy(wanted = false, phase = Phase.Idle, pausedUntil = null, gap = null)
    return Step(
        state,
        listOfNotNull(
            state.keep,
            Effect.NoWake,
            Effect.SendPolicy(null),
            Effect.CloseTun,
            gap?.let { Effect.NoteGap(it.start, now, it.reason) },
            Effect.Unmark,
            Effect.EndService,
        ),
    )
}

private fun MachineState.pause(
    until: Long,
    now: Long,
): Step {
    if (phase !is Phase.Up || until <= now) return Step(this)
    val state = copy(pausedUntil = until)
    return Step(state, listOf(Effect.SendPolicy(until), state.keep, Effect.WakeAt(until)))
}

private fun MachineState.resume(): Step {
    if (pausedUntil == null) return Step(this)
    val state = copy(pausedUntil = null)
    return Step(state, listOf(Effect.NoWake, Effect.SendPolicy(null), state.keep))
}

private fun MachineState.wake(now: Long): Step =
    when {
        pausedUntil == null -> Step(this)
        pausedUntil <= now -> resume()
        else -> Step(this, listOf(Effect.WakeAt(pausedUntil)))
    }

private fun MachineState.refused(why: Trouble) = Step(copy(phase = Phase.Failed(why)))

private fun MachineState.serviceUp(bySystem: Boolean): Step =
    when {
        phase is Phase.Up || phase == Phase.Opening -> Step(this)
        starting -> copy(phase = Phase.Opening).open()
        wanted || bySystem -> copy(wanted = true, phase = Phase.Opening).run { open().before(keep) }
        else -> Step(this, listOf(Effect.EndService))
    }

private fun MachineState.open(vararg more: Effect): Step {
    val next = copy(attempt = attempt + 1)
    return Step(next, listOf(*more, Effect.OpenTun(next.attempt, plan, resolvers)))
}

private fun Step.before(effect: Effect) = copy(effects = listOf(effect) + effects)

private fun MachineState.tunUp(now: Long): Step {
    if (phase is Phase.Up) return Step(copy(phase = phase.copy(rebuilding = false)))
    return Step(
        copy(phase = Phase.Up(now), gap = null),
        listOfNotNull(gap?.let { Effect.NoteGap(it.start, now, it.reason) }, Effect.Mark(now)),
    )
}

/** Wanted as before, and not running: the owner reads why, and the gap begins. */
private fun MachineState.fail(
    why: Trouble,
    now: Long,
): Step {
    val missed = if (wanted) gap ?: OpenGap(now, why.reason) else null
    return Step(
        copy(phase = Phase.Failed(why), gap = missed),
        listOfNotNull(
            Effect.CloseTun,
            missed?.let { Effect.NoteGap(it.start, null, it.reason) },
            missed?.let { Effect.Mark(it.start) },
            Effect.EndService,
        ),
    )
}

/** The TUN of before ends when another takes its place: that is no fault. */
private fun MachineState.coreEnded(now: Long): Step =
    when {
        phase !is Phase.Up || phase.rebuilding -> Step(this)
        now - phase.since < ENDED_TOO_SOON_MS -> fail(Trouble.CORE_ENDED, now)
        else -> copy(phase = Phase.Opening, gap = OpenGap(now, Trouble.CORE_ENDED.reason)).open()
    }

private fun MachineState.networkChanged(new: List<String>): Step {
    if (new == resolvers || new.isEmpty()) return Step(copy(resolvers = new))
    return Step(copy(resolvers = new), if (opening) listOf(Effect.SendNetwork(new)) else emptyList())
}

private fun MachineState.chosen(new: Plan): Step {
    val policy = Effect.SendPolicy(pausedUntil)
    return if (new == plan) Step(this, listOf(policy)) else copy(plan = new).rebuilt(policy)
}

private fun MachineState.packageChanged(packageName: String): Step {
    val policy = Effect.SendPolicy(pausedUntil)
    return if (plan.names(packageName)) rebuilt(policy) else Step(this, listOf(policy))
}

/** With another TUN, where there is one. */
private fun MachineState.rebuilt(policy: Effect): Step =
    when (phase) {
        is Phase.Up -> copy(phase = phase.copy(rebuilding = true)).open(policy)
        Phase.Opening -> open(policy)
        else -> Step(this, listOf(policy))
    }
