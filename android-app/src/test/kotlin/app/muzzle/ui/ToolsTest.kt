package app.muzzle.ui

import android.app.Activity
import android.app.AlertDialog
import android.content.Intent
import android.net.Uri
import android.widget.RadioButton
import app.muzzle.R
import app.muzzle.core.ExportRequest
import app.muzzle.core.Filter
import app.muzzle.core.Reach
import app.muzzle.export.ExportProvider
import app.muzzle.service.KeepAlive
import app.muzzle.service.KeepState
import app.muzzle.service.KeepStep
import app.muzzle.service.ProtectionState
import app.muzzle.settings.OwnerSettings
import app.muzzle.settings.badAddress
import app.muzzle.settings.readBackup
import org.json.JSONException
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.ShadowAlertDialog
import org.robolectric.shadows.ShadowToast
import java.io.ByteArrayInputStream
import java.io.File
import java.io.FileNotFoundException

class ToolsTest : ScreenTest() {
    private fun two(
        activity: Activity,
        title: Int,
        text: Int,
    ) = activity.getString(R.string.two_lines, activity.getString(title), activity.getString(text))

    private fun exports(activity: Activity) = File(activity.cacheDir, "exports").walk().filter { it.isFile }.toList()

    @Test
    fun theMenuLeadsToTheTools() {
        val main = open<MainActivity>().get()
        val toolbar = main.find<android.widget.Toolbar>(R.id.toolbar)
        for (screen in listOf(ExportActivity::class, SettingsActivity::class, KeepAliveActivity::class)) {
            val word = screen.simpleName!!.removeSuffix("Activity").replace("KeepAlive", "Keep alive")
            val item = (0 until toolbar.menu.size()).map(toolbar.menu::getItem).single { it.title.toString() == word }
            shadowOf(main).clearNextStartedActivities()
            (item as com.android.internal.view.menu.MenuItemImpl).invoke()
            assertEquals(screen.java.name, shadowOf(main).nextStartedActivity.component!!.className)
        }
    }

    @Test
    fun anExportHidesUnlessTheOwnerWantsItWhole() {
        val screen = open<ExportActivity>().get()
        picture(screen, "export-hide")
        val whole = graph.core.preview(ExportRequest("csv", redact = false)).trim().take(600)
        assertTrue("shown although it is to be hidden", texts(screen).none { it == whole })
        assertEquals(emptyList<File>(), exports(screen))
        tap(screen, two(screen, R.string.export_hide, R.string.export_hide_text))
        assertShows(screen, whole, "events, about")
        tap(screen, two(screen, R.string.format_jsonl, R.string.format_jsonl_text))
        assertShows(screen, "{\"", "events, about")
        picture(screen, "export")
    }

    @Test
    fun settingsAreKept() {
        val screen = open<SettingsActivity>().get()
        picture(screen, "settings")
        assertShows(screen, "Version 0.1.0", "xiaomi, version")
        tap(screen, two(screen, R.string.reach_deep, R.string.reach_deep_text))
        assertEquals(Reach.DEEP, graph.settings.now.reach)
        tap(screen, "30 days")
        assertEquals(30, graph.settings.now.retentionDays)
        tap(screen, "Wipe the log")
        val asks = ShadowAlertDialog.getLatestAlertDialog()
        assertTrue("nothing was wiped before the answer", graph.core.store().events > 0)
        asks.getButton(AlertDialog.BUTTON_POSITIVE).performClick()
        settle()
        assertEquals(0, graph.core.store().events)
        assertTrue(graph.core.events(Filter()).isEmpty())
    }

    @Test
    fun keepingLessOfTheLogAsksFirst() {
        val screen = open<SettingsActivity>().get()
        for (answer in listOf(AlertDialog.BUTTON_NEGATIVE, AlertDialog.BUTTON_POSITIVE)) {
            val before = graph.settings.now
            assertTrue("the choice stands where it was", chosen(screen, "7 days"))
            tap(screen, "1 day")
            assertEquals("nothing changed before the answer", before, graph.settings.now)
            ShadowAlertDialog.getLatestAlertDialog().getButton(answer).performClick()
            settle()
        }
        assertEquals(1, graph.settings.now.retentionDays)
        assertTrue(chosen(screen, "1 day"))
    }

    private fun chosen(
        screen: Activity,
        words: String,
    ) = visible(screen.window.decorView).filterIsInstance<RadioButton>().first { it.text.toString() == words }.isChecked

    @Test
    fun aPhoneWithoutAnAppForFilesSaysSo() {
        val doors =
            mapOf(
                open<ExportActivity>().get() to listOf("Save"),
                open<ListsActivity>().get() to listOf("Add a list"),
                open<SettingsActivity>().get() to listOf("Save", "Restore"),
            )
        shadowOf(RuntimeEnvironment.getApplication()).checkActivities(true)
        for ((screen, buttons) in doors) {
            for (button in buttons) {
                ShadowToast.reset()
                tap(screen, button)
                assertEquals("$screen", screen.getString(R.string.no_files_app), ShadowToast.getTextOfLatestToast())
            }
        }
    }

    @Test
    fun aBackupComesBackAndOtherFilesDoNot() {
        val screen = open<SettingsActivity>().get()
        val resolver = screen.contentResolver
        val place = Uri.parse("content://somewhere/backup")
        shadowOf(
            resolver,
        ).registerInputStream(place, ByteArrayInputStream(OwnerSettings(retentionDays = 3).json().toString().toByteArray()))
        assertEquals(3, resolver.readBackup(place).retentionDays)
        val deep = "{\"v\":1,\"apps\":" + "[".repeat(500_000)
        val bad = listOf("", "{}", "[1]", "{\"v\":1,\"retention_days\":-4}", "{\"v\":99}", "x".repeat(2 shl 20), deep)
        for (text in bad) {
            shadowOf(resolver).registerInputStream(place, ByteArrayInputStream(text.toByteArray()))
            assertThrows(text.take(30), JSONException::class.java) { resolver.readBackup(place) }
        }
        assertNull(badAddress(listOf("192.0.2.1", "2001:db8::53")))
        for (word in listOf("example.com", "1.2.3", "300.1.1.1", ":", "2001:db8::53::1")) assertEquals(word, badAddress(listOf(word)))
    }

    @Test
    fun theFirstRunEndsWithTheVpnAndKeepAlive() {
        val screen = open<FirstRunActivity>().get()
        picture(screen, "first-1")
        tap(screen, "Next")
        picture(screen, "first-2")
        tap(screen, "Next")
        picture(screen, "first-3")
        assertFalse(graph.settings.now.firstRunDone)
        tap(screen, "Turn on")
        assertTrue(graph.settings.now.firstRunDone)
        assertTrue(graph.protection.state is ProtectionState.On)
        assertEquals(KeepAliveActivity::class.java.name, shadowOf(screen).nextStartedActivity.component!!.className)
        assertTrue(screen.isFinishing)
    }

    @Test
    fun keepAliveSaysWhatThePhoneTells() {
        val screen = open<KeepAliveActivity>().get()
        picture(screen, "keep-alive")
        val xiaomi = KeepAlive(screen, "Xiaomi")
        assertEquals(KeepStep.entries, xiaomi.steps())
        assertEquals(KeepState.OPEN, xiaomi.state(KeepStep.BATTERY))
        shadowOf(screen.getSystemService(android.os.PowerManager::class.java)).setIgnoringBatteryOptimizations(screen.packageName, true)
        assertEquals(KeepState.DONE, xiaomi.state(KeepStep.BATTERY))
        assertEquals(KeepState.UNKNOWN, xiaomi.state(KeepStep.AUTOSTART))
        assertEquals(listOf(KeepStep.BATTERY, KeepStep.ALWAYS_ON), KeepAlive(screen, "Google").steps())
        tap(screen, "Open settings")
        assertEquals(xiaomi.pages(KeepStep.BATTERY).first().action, shadowOf(screen).nextStartedActivity.action)
    }
}
