package app.muzzle.service

import org.junit.Assert.assertEquals
import org.junit.Test

class AliveMarkTest {
    private fun lost(
        at: Long,
        shutdown: Boolean = false,
        boot: Long = 100,
        updated: Long = 0,
    ) = lostSince(AliveMark.Mark(at, shutdown), boot, updated, now = 900)

    @Test
    fun aProcessThatWasKilledIsMissedSinceItsLastMinute() = assertEquals(OpenGap(300, "killed"), lost(300))

    @Test
    fun anUpdateIsNoKill() = assertEquals(OpenGap(300, "updated"), lost(300, updated = 301))

    @Test
    fun aPhoneThatWasOffIsMissedSinceItsStart() = assertEquals(OpenGap(100, "boot"), lost(50, shutdown = true))

    @Test
    fun aPhoneThatFellOverIsMissedSinceTheLastMinute() = assertEquals(OpenGap(50, "boot"), lost(50))

    @Test
    fun aClockThatWasSetBackGivesNoGapInTheFuture() = assertEquals(OpenGap(900, "killed"), lost(2_000))
}
