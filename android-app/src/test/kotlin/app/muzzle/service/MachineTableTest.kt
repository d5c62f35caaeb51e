package app.muzzle.service

import app.muzzle.core.Reach
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/**
 * Every state with every input: which state follows. What is to be done on the way is MachineTest's. A dot is
 * a state that stays as it is.
 */
class MachineTableTest {
    private val states =
        mapOf(
            "idle" to MachineState(),
            "asking" to wanted(Phase.Asking),
            "launching" to wanted(Phase.Launching),
            "opening" to wanted(Phase.Opening),
            "up" to wanted(Phase.Up(SINCE)),
            "rebuilding" to wanted(Phase.Up(SINCE, rebuilding = true)),
            "paused" to wanted(Phase.Up(SINCE)).copy(pausedUntil = UNTIL),
            "failed" to wanted(Phase.Failed(Trouble.REVOKED)),
        )

    private fun wanted(phase: Phase) = MachineState(wanted = true, phase = phase, attempt = ATTEMPT, resolvers = listOf("192.0.2.53"))

    /** The name of a state: by its phase alone, and of one that runs also by its pause. */
    private fun nameOf(state: MachineState): String {
        val phase = state.phase
        return when {
            phase is Phase.Up && phase.rebuilding -> "rebuilding"
            phase is Phase.Up && state.pausedUntil != null -> "paused"
            else -> phase.javaClass.simpleName.lowercase()
        }
    }

    private val inputs =
        mapOf(
            "born, wanted" to Event.Born(wanted = true, pausedUntil = null, plan = Plan(), lost = null),
            "born, not wanted" to Event.Born(wanted = false, pausedUntil = null, plan = Plan(), lost = null),
            "start" to Event.Start,
            "stop" to Event.Stop,
            "pause" to Event.Pause(UNTIL),
            "pause that is over" to Event.Pause(NOW),
            "resume" to Event.Resume,
            "wake" to Event.Wake,
            "granted" to Event.Granted,
            "not granted" to Event.NotGranted(Trouble.NOT_GRANTED),
            "service up" to Event.ServiceUp(bySystem = false),
            "service up, by the system" to Event.ServiceUp(bySystem = true),
            "service refused" to Event.ServiceRefused,
            "service gone" to Event.ServiceGone,
            "tun up" to Event.TunUp(ATTEMPT),
            "tun up, an older one" to Event.TunUp(ATTEMPT - 1),
            "tun failed" to Event.TunFailed(ATTEMPT, Trouble.NO_TUN),
            "tun failed, an older one" to Event.TunFailed(ATTEMPT - 1, Trouble.NO_TUN),
            "core ended" to Event.CoreEnded,
            "core replaced" to Event.CoreReplaced,
            "revoked" to Event.Revoked,
            "network changed" to Event.NetworkChanged(listOf("198.51.100.1")),
            "network lost" to Event.NetworkLost,
            "chosen, another plan" to Event.Chosen(Plan(Reach.DEEP)),
            "chosen, the same plan" to Event.Chosen(Plan()),
            "package changed" to Event.PackageChanged("com.example"),
        )

    /** A core ends long after it began; what ends at once is in MachineTest. */
    private val table =
        """
        |                            idle     asking   launching opening  up         rebuilding paused     failed
        | born, wanted              | asking | .      | asking  | asking | asking   | asking   | asking   | asking
        | born, not wanted          | .      | .      | .       | .      | .        | .        | up       | .
        | start                     | asking | .      | .       | .      | .        | .        | up       | asking
        | stop                      | .      | idle   | idle    | idle   | idle     | idle     | idle     | idle
        | pause                     | .      | .      | .       | .      | paused   | .        | .        | .
        | pause that is over        | .      | .      | .       | .      | .        | .        | .        | .
        | resume                    | .      | .      | .       | .      | .        | .        | up       | .
        | wake                      | .      | .      | .       | .      | .        | .        | .        | .
        | granted                   | .      | launching | .    | .      | .        | .        | .        | .
        | not granted               | failed | failed | failed  | failed | failed   | failed   | failed   | .
        | service up                | .      | opening | opening | .    | .        | .        | .        | opening
        | service up, by the system | opening | opening | opening | .   | .        | .        | .        | opening
        | service refused           | .      | failed | failed  | failed | .        | .        | .        | .
        | service gone              | .      | .      | .       | failed | failed   | failed   | failed   | .
        | tun up                    | .      | .      | .       | up     | .        | up       | .        | .
        | tun up, an older one      | .      | .      | .       | .      | .        | .        | .        | .
        | tun failed                | .      | .      | .       | failed | failed   | failed   | failed   | .
        | tun failed, an older one  | .      | .      | .       | .      | .        | .        | .        | .
        | core ended                | .      | .      | .       | .      | opening  | .        | opening  | .
        | core replaced             | .      | .      | .       | .      | rebuilding | .      | rebuilding | .
        | revoked                   | .      | failed | failed  | failed | failed   | failed   | failed   | .
        | network changed           | .      | .      | .       | .      | .        | .        | .        | .
        | network lost              | .      | .      | .       | .      | .        | .        | .        | .
        | chosen, another plan      | .      | .      | .       | .      | rebuilding | .      | rebuilding | .
        | chosen, the same plan     | .      | .      | .       | .      | .        | .        | .        | .
        | package changed           | .      | .      | .       | .      | .        | .        | .        | .
        """.trimMargin().lines()

    @Test
    fun everyStateAnswersEveryInputAsTheTableSays() {
        assertEquals(states.keys.toList(), table.first().trim().split(Regex(" +")))
        val rows = table.drop(1).map { line -> line.split('|').map { it.trim() } }
        assertEquals(inputs.keys.toList(), rows.map { it[0] })
        val wrong =
            rows.flatMap { row ->
                states.entries.mapIndexedNotNull { column, (name, state) ->
                    val wanted = row[column + 1].let { if (it == ".") name else it }
                    val after = nameOf(state.after(inputs.getValue(row[0]), NOW).state)
                    if (after == wanted) null else "$name, ${row[0]}: $after, not $wanted"
                }
            }
        assertEquals(emptyList<String>(), wrong)
    }

    @Test
    fun theTableKnowsEveryKindOfStateAndOfInput() {
        assertEquals(kinds(Event::class.java), inputs.values.map { it.javaClass }.toSet())
        assertEquals(kinds(Phase::class.java), states.values.map { it.phase.javaClass }.toSet())
        assertTrue(states.all { (name, state) -> nameOf(state) == name })
    }

    private fun kinds(of: Class<*>) = of.declaredClasses.filter(of::isAssignableFrom).toSet()

    private companion object {
        const val SINCE = 1_000_000L
        const val NOW = SINCE + ENDED_TOO_SOON_MS
        const val UNTIL = NOW + 900_000
        const val ATTEMPT = 3
    }
}
