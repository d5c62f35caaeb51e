package app.muzzle.service

import app.muzzle.core.Reach
import app.muzzle.service.Effect.AskGrant
import app.muzzle.service.Effect.CloseTun
import app.muzzle.service.Effect.EndService
import app.muzzle.service.Effect.Keep
import app.muzzle.service.Effect.Launch
import app.muzzle.service.Effect.Mark
import app.muzzle.service.Effect.NoWake
import app.muzzle.service.Effect.NoteGap
import app.muzzle.service.Effect.OpenTun
import app.muzzle.service.Effect.SendNetwork
import app.muzzle.service.Effect.SendPolicy
import app.muzzle.service.Effect.Unmark
import app.muzzle.service.Effect.WakeAt
import app.muzzle.settings.AppSetting
import app.muzzle.settings.OwnerSettings
import org.junit.Assert.assertEquals
import org.junit.Test

class MachineTest {
    private val now = 1_000_000L
    private val off = MachineState()
    private val asking = MachineState(wanted = true, phase = Phase.Asking)
    private val launching = asking.copy(phase = Phase.Launching)
    private val opening = MachineState(wanted = true, phase = Phase.Opening, attempt = 1)
    private val on = opening.copy(phase = Phase.Up(now), resolvers = listOf("192.0.2.53"))
    private val paused = on.copy(pausedUntil = now + 900)
    private val failed = MachineState(wanted = true, phase = Phase.Failed(Trouble.REVOKED), gap = OpenGap(5, "revoked"))
    private val all = listOf(off, asking, launching, opening, on, paused, failed)

    private fun MachineState.gives(
        event: Event,
        state: MachineState,
        vararg effects: Effect,
        at: Long = now,
    ) = assertEquals(Step(state, effects.toList()), after(event, at))

    private fun MachineState.ignores(
        event: Event,
        at: Long = now,
    ) = gives(event, this, at = at)

    @Test
    fun aFirstStartAsksForTheGrantThenTheServiceThenTheTun() {
        off.gives(Event.Start, asking, Keep(true, null), AskGrant)
        asking.gives(Event.Granted, launching, Launch)
        launching.gives(Event.ServiceUp(bySystem = false), opening, OpenTun(1, Plan(), emptyList()))
        opening.gives(Event.TunUp(1), opening.copy(phase = Phase.Up(now)), Mark(now))
    }

    @Test
    fun aSecondStartChangesNothing() = listOf(asking, launching, opening, on).forEach { it.ignores(Event.Start) }

    @Test
    fun aStartAfterAFailureTriesAgainAndTheGapEndsWhenTheTunIsUp() {
        failed.gives(Event.Start, failed.copy(phase = Phase.Asking), Keep(true, null), AskGrant)
        val again = opening.copy(gap = failed.gap)
        again.gives(Event.TunUp(1), opening.copy(phase = Phase.Up(now)), NoteGap(5, now, "revoked"), Mark(now))
    }

    @Test
    fun aStopEndsEverythingFromEveryState() {
        for (state in all) {
            val closed = state.gap?.let { NoteGap(it.start, now, it.reason) }
            val effects = listOfNotNull(Keep(false, null), NoWake, SendPolicy(null), CloseTun, closed, Unmark, EndService)
            val idle = state.copy(wanted = false, phase = Phase.Idle, pausedUntil = null, gap = null)
            state.gives(Event.Stop, idle, *effects.toTypedArray())
        }
    }

    @Test
    fun aRefusedGrantIsSaidAndTheWishIsKept() {
        val why = Trouble.NOT_GRANTED
        val missed = asking.copy(phase = Phase.Failed(why), gap = OpenGap(now, "not-granted"))
        asking.gives(Event.NotGranted(why), missed, CloseTun, NoteGap(now, null, "not-granted"), Mark(now), EndService)
    }

    @Test
    fun aGrantThatWasRefusedBeforeAnyStartLeavesNoGap() =
        off.gives(Event.NotGranted(Trouble.OTHER_ALWAYS_ON), off.copy(phase = Phase.Failed(Trouble.OTHER_ALWAYS_ON)))

    @Test
    fun aGrantCountsOnlyWhileItIsAskedFor() =
        listOf(off, launching, opening, on, paused, failed).forEach { it.ignores(Event.Granted) }

    @Test
    fun alwaysOnStartsWhatWasNotWanted() {
        off.gives(Event.ServiceUp(bySystem = true), opening, Keep(true, null), OpenTun(1, Plan(), emptyList()))
        asking.gives(Event.ServiceUp(bySystem = true), opening, OpenTun(1, Plan(), emptyList()))
        val again = failed.copy(phase = Phase.Opening, attempt = 1)
        failed.gives(Event.ServiceUp(bySystem = true), again, Keep(true, null), OpenTun(1, Plan(), emptyList()))
        listOf(opening, on, paused).forEach { it.ignores(Event.ServiceUp(bySystem = true)) }
    }

    @Test
    fun aServiceThatNobodyWantsEnds() = off.gives(Event.ServiceUp(bySystem = false), off, EndService)

    @Test
    fun aServiceThatCannotStartIsSaid() {
        val why = Trouble.NO_TUN
        val missed = launching.copy(phase = Phase.Failed(why), gap = OpenGap(now, "no-tun"))
        launching.gives(Event.ServiceRefused, missed, CloseTun, NoteGap(now, null, "no-tun"), Mark(now), EndService)
        listOf(off, on, failed).forEach { it.ignores(Event.ServiceRefused) }
    }

    @Test
    fun aServiceThatGoesAwayWithItsTunIsSaid() {
        val missed = on.copy(phase = Phase.Failed(Trouble.NO_TUN), gap = OpenGap(now, "no-tun"))
        on.gives(Event.ServiceGone, missed, CloseTun, NoteGap(now, null, "no-tun"), Mark(now), EndService)
        listOf(off, asking, launching, failed).forEach { it.ignores(Event.ServiceGone) }
    }

    @Test
    fun aTunThatIsRefusedIsSaidWithItsReason() {
        for (why in listOf(Trouble.NO_TUN, Trouble.NO_STORE, Trouble.NOT_GRANTED)) {
            val missed = opening.copy(phase = Phase.Failed(why), gap = OpenGap(now, why.reason))
            val effects = arrayOf(CloseTun, NoteGap(now, null, why.reason), Mark(now), EndService)
            opening.gives(Event.TunFailed(1, why), missed, *effects)
        }
        val missed = on.copy(phase = Phase.Failed(Trouble.NO_TUN), gap = OpenGap(now, "no-tun"))
        on.gives(Event.TunFailed(1, Trouble.NO_TUN), missed, CloseTun, NoteGap(now, null, "no-tun"), Mark(now), EndService)
    }

    @Test
    fun anAnswerForAnOlderTunSaysNothing() {
        listOf(opening, on).forEach {
            it.ignores(Event.TunUp(0))
            it.ignores(Event.TunFailed(0, Trouble.NO_TUN))
        }
        listOf(off.copy(attempt = 1), failed.copy(attempt = 1)).forEach { it.ignores(Event.TunUp(1)) }
    }

    @Test
    fun aPauseLetsAllPassUntilItsTime() {
        on.gives(Event.Pause(now + 900), paused, SendPolicy(now + 900), Keep(true, now + 900), WakeAt(now + 900))
        assertEquals(ProtectionState.Paused(now + 900), paused.shown)
        on.ignores(Event.Pause(now))
        listOf(off, asking, launching, opening, failed).forEach { it.ignores(Event.Pause(now + 900)) }
    }

    @Test
    fun aPauseEndsByATapByAStartOrByTheClock() {
        val end = arrayOf(NoWake, SendPolicy(null), Keep(true, null))
        paused.gives(Event.Resume, on, *end)
        paused.gives(Event.Start, on, *end)
        paused.gives(Event.Wake, on, *end, at = now + 900)
        paused.gives(Event.Wake, paused, WakeAt(now + 900), at = now + 899)
        listOf(off, on, failed).forEach {
            it.ignores(Event.Resume)
            it.ignores(Event.Wake)
        }
    }

    @Test
    fun aRevokedVpnStopsAndStaysWanted() {
        for (state in listOf(asking, launching, opening, on, paused)) {
            val missed = state.copy(phase = Phase.Failed(Trouble.REVOKED), gap = OpenGap(now, "revoked"))
            state.gives(Event.Revoked, missed, CloseTun, NoteGap(now, null, "revoked"), Mark(now), EndService)
        }
        val other = failed.copy(phase = Phase.Failed(Trouble.NOT_GRANTED))
        other.gives(Event.Revoked, failed, CloseTun, NoteGap(5, null, "revoked"), Mark(5), EndService)
        off.ignores(Event.Revoked)
    }

    @Test
    fun aCoreThatEndsIsOpenedAgainAndOnceMoreTooSoonIsGivenUp() {
        val later = now + ENDED_TOO_SOON_MS
        val gap = OpenGap(later, "core-ended")
        val again = on.copy(phase = Phase.Opening, attempt = 2, gap = gap)
        on.gives(Event.CoreEnded, again, OpenTun(2, Plan(), on.resolvers), at = later)
        val missed = on.copy(phase = Phase.Failed(Trouble.CORE_ENDED), gap = OpenGap(now + 1, "core-ended"))
        val effects = arrayOf(CloseTun, NoteGap(now + 1, null, "core-ended"), Mark(now + 1), EndService)
        on.gives(Event.CoreEnded, missed, *effects, at = now + 1)
    }

    @Test
    fun anEndThatARebuildCausesIsNoFault() {
        val rebuilding = on.copy(phase = Phase.Up(now, rebuilding = true))
        (listOf(off, asking, launching, opening, failed) + rebuilding).forEach { it.ignores(Event.CoreEnded) }
        rebuilding.gives(Event.TunUp(1), on, at = now + 7)
    }

    @Test
    fun aCoreThatBeganAnewGetsThePolicyAndATun() {
        val rebuilding = on.copy(phase = Phase.Up(now, rebuilding = true), attempt = 2)
        on.gives(Event.CoreReplaced, rebuilding, SendPolicy(null), OpenTun(2, on.plan, on.resolvers))
        opening.gives(Event.CoreReplaced, opening.copy(attempt = 2), SendPolicy(null), OpenTun(2, Plan(), emptyList()))
        listOf(off, asking, launching, failed).forEach { it.gives(Event.CoreReplaced, it, SendPolicy(null)) }
    }

    @Test
    fun resolversOfANewNetworkReachACoreThatRuns() {
        val new = listOf("198.51.100.1")
        for (state in listOf(opening, on, paused)) {
            state.gives(Event.NetworkChanged(new), state.copy(resolvers = new), SendNetwork(new))
        }
        for (state in listOf(off, asking, launching, failed)) {
            state.gives(Event.NetworkChanged(new), state.copy(resolvers = new))
        }
        on.ignores(Event.NetworkChanged(on.resolvers))
        on.gives(Event.NetworkChanged(emptyList()), on.copy(resolvers = emptyList()))
    }

    @Test
    fun afterALostNetworkTheSameResolversAreToldAgain() {
        val lost = on.copy(resolvers = emptyList())
        on.gives(Event.NetworkLost, lost)
        lost.gives(Event.NetworkChanged(on.resolvers), on, SendNetwork(on.resolvers))
    }

    @Test
    fun aChoiceThatTheTunDoesNotConcernIsOnlyTold() = all.forEach { it.gives(Event.Chosen(Plan()), it, SendPolicy(it.pausedUntil)) }

    @Test
    fun anotherReachOrAppOutsideRebuildsTheTunUnderWay() {
        for (plan in listOf(Plan(Reach.DEEP), Plan(except = setOf("com.example.bank")))) {
            val rebuilding = on.copy(plan = plan, phase = Phase.Up(now, rebuilding = true), attempt = 2)
            on.gives(Event.Chosen(plan), rebuilding, SendPolicy(null), OpenTun(2, plan, on.resolvers))
            val next = opening.copy(plan = plan, attempt = 2)
            opening.gives(Event.Chosen(plan), next, SendPolicy(null), OpenTun(2, plan, emptyList()))
            for (state in listOf(off, asking, launching, failed)) {
                state.gives(Event.Chosen(plan), state.copy(plan = plan), SendPolicy(null))
            }
        }
    }

    @Test
    fun aPackageOfTheVpnsListThatWasInstalledAgainRebuildsTheTun() {
        val listed = on.copy(plan = Plan(except = setOf("com.example.bank")))
        val rebuilding = listed.copy(phase = Phase.Up(now, rebuilding = true), attempt = 2)
        val changed = Event.PackageChanged("com.example.bank")
        listed.gives(changed, rebuilding, SendPolicy(null), OpenTun(2, listed.plan, on.resolvers))
        on.gives(changed, on, SendPolicy(null))
    }

    @Test
    fun aBootStartsWhatWasWantedAndKeepsTheGapUntilItRuns() {
        val lost = OpenGap(7, "boot")
        val born = Event.Born(wanted = true, pausedUntil = null, plan = Plan(), lost = lost)
        off.gives(born, asking.copy(gap = lost), SendPolicy(null), AskGrant)
        off.gives(born.copy(wanted = false, lost = null), off, SendPolicy(null))
    }

    @Test
    fun aPauseOutlivesTheProcessButNotItsTime() {
        val born = Event.Born(wanted = true, pausedUntil = now + 900, plan = Plan(), lost = null)
        val waiting = asking.copy(pausedUntil = now + 900)
        off.gives(born, waiting, SendPolicy(now + 900), WakeAt(now + 900), AskGrant)
        off.gives(born, asking, SendPolicy(null), AskGrant, at = now + 900)
        off.gives(born.copy(wanted = false), off, SendPolicy(null))
    }

    @Test
    fun aKilledProcessWhoseGrantIsGoneGoesOnWithTheGapOfBefore() {
        val lost = asking.copy(gap = OpenGap(7, "killed"))
        val missed = lost.copy(phase = Phase.Failed(Trouble.NOT_GRANTED))
        val effects = arrayOf(CloseTun, NoteGap(7, null, "killed"), Mark(7), EndService)
        lost.gives(Event.NotGranted(Trouble.NOT_GRANTED), missed, *effects)
    }

    @Test
    fun eachStateHasItsWords() {
        val starting = ProtectionState.Starting
        val shown =
            listOf(
                ProtectionState.Off,
                starting,
                starting,
                starting,
                ProtectionState.On(now),
                ProtectionState.Paused(now + 900),
                ProtectionState.Failed(Trouble.REVOKED),
            )
        assertEquals(shown, all.map { it.shown })
    }

    @Test
    fun appsThatAreOffAreOutsideTheVpnAndByDefaultOnlyTheChosenAreInside() {
        val apps = mapOf("bank" to AppSetting.OFF, "browser" to AppSetting.RECORD)
        assertEquals(Plan(except = setOf("bank")), OwnerSettings(apps = apps).plan())
        assertEquals(Plan(only = setOf("browser")), OwnerSettings(apps = apps, default = AppSetting.OFF).plan())
        assertEquals(Plan(Reach.DEEP), OwnerSettings(reach = Reach.DEEP, default = AppSetting.OFF).plan())
    }
}
