package app.muzzle.whole

import android.app.Activity
import android.app.Notification
import android.app.NotificationManager
import android.content.Intent
import android.os.Looper
import app.muzzle.R
import app.muzzle.core.Filter
import app.muzzle.core.Reach
import app.muzzle.core.Verdict
import app.muzzle.export.Documents
import app.muzzle.export.ExportFormat
import app.muzzle.service.MuzzleService
import app.muzzle.service.Notices
import app.muzzle.service.stoppedToday
import app.muzzle.settings.AppSetting
import app.muzzle.settings.OwnerSettings
import app.muzzle.system.SystemOwners
import app.muzzle.ui.AppActivity
import app.muzzle.ui.ExportActivity
import app.muzzle.ui.MainActivity
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Shadows.shadowOf
import java.io.File
import java.time.Duration

/**
 * The whole way, with real packets. Needs a network with TUNs and a collector, so `tests/app` runs it and not
 * Maven: its name ends in no word that Maven looks for. What passes is called so, and what is stopped too:
 * tests/app reads what the collector got.
 */
class WholeWay : Phone() {
    private fun chosen(change: (OwnerSettings) -> OwnerSettings) = real.settings.update(change)

    private fun browser(setting: AppSetting) = chosen { it.copy(apps = mapOf(BROWSER to setting)) }

    /** The owner touches a switch of the app's row. */
    private fun switch(
        main: MainActivity,
        to: String,
    ) {
        untilTab(main, R.id.tab_apps, "Mi Browser")
        tapIn(row(main, "Mi Browser"), to)
    }

    private fun assertStopped(page: String) {
        val before = connections()
        assertEquals(REFUSED, report(page))
        assertEquals("the collector was reached", before, connections())
    }

    private fun assertPasses(page: String) {
        val before = connections()
        assertEquals(0, report(page))
        assertTrue("the collector was not reached", connections() > before)
    }

    @Test
    fun aReportIsSeenThenStoppedAndExported() {
        browser(AppSetting.RECORD)
        val main = turnOn()
        assertPasses("passed/seen")
        untilTab(main, R.id.tab_timeline, "Mi Browser reported a visited page", "https://news.example/passed/seen", "passed, readable")
        switch(main, "Block")
        untilItIs(Verdict.BLOCK)
        assertStopped("stopped/seen")
        untilTab(main, R.id.tab_timeline, "Mi Browser tried to reach $HOST", "stopped")
        assertCounted()
        val exported = exported().readLines()
        assertTrue("$exported", exported.any { "https://news.example/passed/seen" in it && BROWSER in it && "\"decoded\"" in it })
        assertTrue("$exported", exported.any { HOST in it && "\"blocked\"" in it })
    }

    /** The notification says within a minute what was stopped today. */
    private fun assertCounted() {
        val stopped = stoppedToday(real)
        assertTrue(stopped > 0)
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMinutes(1))
        eventually("a notification with $stopped") {
            val shown = shadowOf(app.getSystemService(NotificationManager::class.java)).getNotification(Notices.RUNNING_ID)
            shown?.extras?.getCharSequence(Notification.EXTRA_TITLE).toString() == "Protected · $stopped stopped today"
        }
    }

    private fun exported(): File {
        val file = File.createTempFile("export", ".jsonl")
        val screen = exportScreen()
        tap(screen, "Save")
        val asked = shadowOf(screen).nextStartedActivityForResult.intent
        shadowOf(screen).receiveResult(asked, Activity.RESULT_OK, Intent().setData(Documents.with(file).document))
        untilShown(screen, "Written: ")
        return file
    }

    /** Everything, as it is, a line each. */
    private fun exportScreen(): ExportActivity {
        val screen = open<ExportActivity>().get()
        untilShown(screen, "events, about")
        tap(screen, two(screen, R.string.export_hide, R.string.export_hide_text))
        untilShown(screen, "events, about")
        tap(screen, two(screen, ExportFormat.JSONL.title, ExportFormat.JSONL.text))
        untilShown(screen, "{\"", "events, about")
        return screen
    }

    private fun two(
        screen: Activity,
        title: Int,
        text: Int,
    ) = screen.getString(R.string.two_lines, screen.getString(title), screen.getString(text))

    @Test
    fun aSwitchEndsAFlowThatRunsAndUndoLetsTheNextOnePass() {
        browser(AppSetting.RECORD)
        val main = turnOn()
        val file = File.createTempFile("download", null).also { it.setWritable(true, false) }
        file.deleteOnExit()
        val download = curl(BROWSER_UID, "--limit-rate", "4M", "http://tracking.miui.com/bytes/$MUCH", into = file.path)
        eventually("the first bytes") { file.length() > 0 }
        switch(main, "Block")
        eventually("the end of the download") { !download.isAlive }
        assertTrue("curl ended with ${download.exitValue()}", download.exitValue() in CUT_SHORT)
        assertTrue("${file.length()} bytes", file.length() < MUCH)
        assertStopped("stopped/switched")
        tap(main, "Undo")
        untilItIs(Verdict.RECORD)
        assertPasses("passed/undone")
    }

    @Test
    fun whatBrokeIsAllowedForAsLongAsWasSaidAndNoLonger() {
        behind = Duration.ofMinutes(15).minusSeconds(ALLOWED_SECONDS)
        browser(AppSetting.BLOCK)
        val main = turnOn()
        assertStopped("stopped/broken")
        untilTab(main, R.id.tab_apps, "Mi Browser", "stopped")
        tap(main, BROWSER)
        val screen = follow<AppActivity>(main)
        tap(screen, "Something broke?")
        untilShown(screen, HOST, "Allow 15 min")
        tap(screen, "Allow 15 min")
        untilItIs(Verdict.ALLOW)
        untilShown(screen, "Allowed until")
        assertPasses("passed/allowed")
        untilItIs(Verdict.BLOCK)
        assertStopped("stopped/over")
    }

    @Test
    fun inDeepReachAnAddressWithoutANameIsNoWayRoundAndAppsThatAreOffAreOutside() {
        chosen { it.copy(reach = Reach.DEEP, apps = mapOf(BROWSER to AppSetting.BLOCK, BANK to AppSetting.OFF)) }
        turnOn()
        val bare = arrayOf("--header", "Host: $HOST", "http://${System.getProperty("muzzle.collector")}/sa?project=x")
        val before = connections()
        assertNotEquals(0, curl(BROWSER_UID, "--data", sensors("stopped/bare"), *bare).waitFor())
        assertEquals(before, connections())
        assertEquals(0, curl(BROWSER_UID, "http://www.example.org/").waitFor())
        assertEquals(0, curl(BANK_UID, "--data", sensors("passed/outside"), *bare).waitFor())
        assertTrue(connections() > before)
        eventually("the stop in the log") { core.events(Filter(host = HOST)).isNotEmpty() }
        assertEquals(setOf<Int?>(BROWSER_UID), core.events().map { it.uid }.toSet())
        chosen { it.copy(reach = Reach.LIGHT) }
        eventually("another TUN") { curl(BROWSER_UID, "--data", sensors("passed/light"), *bare).waitFor() == 0 }
        assertStopped("stopped/light")
    }

    @Test
    fun aPauseLetsAllPassAndItsEndStopsAgain() {
        browser(AppSetting.BLOCK)
        val main = turnOn()
        service.get().onStartCommand(Intent(MuzzleService.ACTION_PAUSE), 0, 2)
        untilShown(main, "Paused until")
        untilItIs(Verdict.ALLOW)
        assertPasses("passed/paused")
        tap(main, "Resume")
        untilItIs(Verdict.BLOCK)
        assertStopped("stopped/resumed")
    }

    @Test
    fun anOwnerThatTheSystemDoesNotTellIsAnUnknownApp() {
        SystemOwners.silent = true
        chosen { it.copy(default = AppSetting.RECORD) }
        val main = turnOn()
        assertPasses("passed/unknown")
        untilTab(main, R.id.tab_timeline, "An app reported a visited page", "https://news.example/passed/unknown")
        assertFalse(texts(main).any { "Mi Browser" in it })
    }

    @Test
    fun aRequestThatWaitsForANetworkGoesOnWhenThereIsOne() {
        browser(AppSetting.RECORD)
        turnOn()
        network("192.0.2.99")
        val waiting = curl(BROWSER_UID, "--data", sensors("passed/changed"), "http://$HOST/sa?project=x")
        Thread.sleep(1000)
        assertTrue("nobody answers there", waiting.isAlive)
        network(System.getProperty("muzzle.resolver")!!)
        assertEquals(0, waiting.waitFor())
    }

    @Test
    fun aPhoneWithoutSpaceSharesNothingAndSaysSo() {
        browser(AppSetting.RECORD)
        turnOn()
        repeat(EVENTS) { assertPasses("passed/shared") }
        eventually("the events") { core.events().size >= EVENTS }
        val place = File(app.cacheDir, "exports").also { it.mkdirs() }
        mount("mount", "-t", "tmpfs", "-o", "size=4k", "none", place.path)
        try {
            val screen = exportScreen()
            tap(screen, "Share")
            untilShown(screen, "No space left. No file was left behind.")
            assertEquals(emptyList<File>(), place.walk().filter { it.isFile }.toList())
        } finally {
            mount("umount", place.path)
        }
    }

    private fun mount(vararg words: String) = check(ProcessBuilder(*words).inheritIO().start().waitFor() == 0)

    private companion object {
        const val ALLOWED_SECONDS = 15L

        /** More than fit a page of memory. */
        const val EVENTS = 8

        /** Bytes; what waits in the kernel when the connection is reset is little beside it. */
        const val MUCH = 1_000_000_000L

        /** What curl says of a connection that ended in the middle, and of one that was reset. */
        val CUT_SHORT = setOf(18, 56)
    }
}
