package app.muzzle.ui

import app.muzzle.R
import app.muzzle.core.Verdict
import app.muzzle.settings.AppSetting
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

class AppsTest : ScreenTest() {
    private val host = "sa.api.intl.miui.com"

    private fun apps() = open<MainActivity>().also { tap(it.get(), "Apps") }

    @Test
    fun xiaomiAppsComeFirstAndTheOthersByAChip() {
        val main = apps().get()
        assertShows(main, "com.mi.globalbrowser")
        assertFalse(texts(main).any { "com.example.news" in it })
        scrollTo(main, "Sends for other apps")
        tap(main, "All")
        type(main, "news")
        assertShows(main, "com.example.news")
        assertFalse(texts(main).any { "com.miui.home" in it })
        type(main, "no such app")
        assertShows(main, "Nothing fits")
        type(main, "")
        tap(main, "Active today")
        assertFalse(texts(main).any { "Nothing today" in it })
        assertShows(main, "stopped")
    }

    @Test
    fun theMostActiveAppStandsFirst() {
        val main = apps().get()
        val counted =
            graph.core
                .apps(main.times.midnight())
                .maxBy { it.counts.total }
                .packageName!!
        val named = texts(main).first { it.startsWith("com.") }
        assertEquals(counted, named)
    }

    @Test
    fun theSwitchActsAtOnceAndIsUndone() {
        obey()
        val main = apps().get()
        scrollTo(main, "Mi Browser")
        assertEquals(Verdict.BLOCK, decision(host, "com.mi.globalbrowser"))
        tapIn(row(main, "Mi Browser"), "Record")
        assertEquals(AppSetting.RECORD, graph.settings.now.settingOf("com.mi.globalbrowser"))
        assertEquals(Verdict.RECORD, decision(host, "com.mi.globalbrowser"))
        assertShows(main, "Mi Browser: Record")
        tapIn(row(main, "Mi Browser"), "Off")
        assertEquals(Verdict.ALLOW, decision(host, "com.mi.globalbrowser"))
        tap(main, "Undo")
        assertEquals(Verdict.RECORD, decision(host, "com.mi.globalbrowser"))
    }

    @Test
    fun aLongPressSelectsManyAlsoAfterARotation() {
        obey()
        val controller = apps()
        tap(controller.get(), "All")
        assertTrue(row(controller.get(), "com.miui.home").performLongClick())
        settle()
        row(controller.get(), "com.mi.globalbrowser").performClick()
        settle()
        assertShows(controller.get(), "2 apps")
        val main = revive(controller)
        assertShows(main, "2 apps")
        picture(main, "apps-selected")
        assertAccessible(main)
        tapIn(main.find(R.id.selection), "Off")
        val chosen = graph.settings.now.apps
        assertEquals(mapOf("com.miui.home" to AppSetting.OFF, "com.mi.globalbrowser" to AppSetting.OFF), chosen)
        assertEquals(Verdict.ALLOW, decision("tracking.intl.miui.com", "com.miui.home"))
        assertFalse(texts(main).contains("2 apps"))
    }

    @Test
    fun anAppShowsItsHostsAndTheirSwitches() {
        obey()
        val main = apps().get()
        tap(main, "com.mi.globalbrowser")
        val screen = follow<AppActivity>(main)
        assertShows(screen, "Mi Browser", host)
        scrollTo(screen, host)
        scrollTo(screen, "Allow")
        tapIn(row(screen, host), "Allow")
        assertEquals(Verdict.ALLOW, decision(host, "com.mi.globalbrowser"))
        assertEquals(Verdict.BLOCK, decision(host, "com.miui.player"))
        scrollTo(screen, "Passes")
        tapIn(row(screen, host), "Default")
        assertEquals(Verdict.BLOCK, decision(host, "com.mi.globalbrowser"))
        tap(screen, "Events")
        assertShows(screen, "Mi Browser ")
        tap(screen, "Identifiers")
        scrollTo(screen, "IMEI")
        assertFalse(texts(screen).any { "490154203237518" in it })
        tapIn(row(screen, "IMEI"), "Value hidden. Tap to show it.")
        assertShows(screen, "490154203237518")
    }

    @Test
    fun whatBrokeIsAllowedForAWhileOrForGood() {
        obey()
        val main = apps().get()
        scrollTo(main, "com.miui.player")
        tap(main, "com.miui.player")
        val screen = follow<AppActivity>(main)
        val stopped = "data.mistat.intl.xiaomi.com"
        tap(screen, "Something broke?")
        scrollTo(screen, stopped)
        scrollTo(screen, "Allow 15 min")
        tapIn(row(screen, stopped), "Allow 15 min")
        val until = graph.clock.millis() + 15 * 60_000
        assertEquals(listOf(until), graph.settings.now.hosts.map { it.until })
        scrollTo(screen, "Allowed until 9:45")
        tapIn(row(screen, stopped), "Allow always")
        assertEquals(listOf(null), graph.settings.now.hosts.map { it.until })
        assertEquals(Verdict.ALLOW, decision(stopped, "com.miui.player"))
        scrollTo(screen, "Allowed always")
        tapIn(row(screen, stopped), "Undo")
        assertEquals(Verdict.BLOCK, decision(stopped, "com.miui.player"))
    }
}
