package app.muzzle.settings

import android.app.Activity
import android.content.Intent
import app.muzzle.MuzzleApp
import app.muzzle.core.Filter
import app.muzzle.core.Reach
import app.muzzle.core.Verdict
import app.muzzle.export.Documents
import app.muzzle.service.RealGraph
import app.muzzle.ui.MainActivity
import app.muzzle.ui.ScreenTest
import app.muzzle.ui.SettingsActivity
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.ShadowToast
import java.io.File
import java.io.IOException
import java.io.OutputStream
import java.nio.file.Files

/** What the owner chose and what was logged outlive a restart and an upgrade. Files of old versions never change. */
class StateTest : ScreenTest() {
    private val app = RuntimeEnvironment.getApplication()
    private val file = File(app.filesDir, "settings.json")
    private val old = File("src/test/resources/state/settings-0.1.0.json")

    /** All of it, none of it as it would be by default. */
    private val chosen =
        OwnerSettings(
            wanted = true,
            pausedUntil = 1_795_297_500_000,
            reach = Reach.DEEP,
            default = AppSetting.RECORD,
            capture = true,
            apps =
                mapOf(
                    "com.miui.home" to AppSetting.BLOCK,
                    "com.example.bank" to AppSetting.OFF,
                    "com.mi.globalbrowser" to AppSetting.RECORD,
                ),
            hosts =
                listOf(
                    HostOverride("sa.api.intl.miui.com", Verdict.ALLOW, "com.mi.globalbrowser", 1_795_297_500_000),
                    HostOverride(".umeng.com", Verdict.BLOCK),
                ),
            categories = mapOf("push" to Verdict.ALLOW, "config" to Verdict.RECORD),
            resolvers = listOf("192.0.2.53", "2001:db8::53"),
            retentionDays = 30,
            maxBytes = 64L shl 20,
            hideValues = true,
            appearance = Appearance.DARK,
            firstRunDone = true,
            dismissed = setOf("battery", "step-autostart"),
        )

    @Test
    fun theFirstVersionsSettingsAreReadWhole() {
        old.copyTo(file)
        assertEquals(chosen, SettingsStore(file).now)
    }

    @Test
    fun everySettingIsWrittenAndReadAgain() {
        SettingsStore(file).update { chosen }
        assertEquals(chosen, SettingsStore(file).now)
        val written = JSONObject(file.readText())
        val known = JSONObject(old.readText())
        val lost = known.keys().asSequence().filterNot(written::has)
        assertEquals("a key that is dropped is lost by who goes back a version", emptyList<String>(), lost.toList())
    }

    @Test
    fun aFileWithLessOrMoreThanWeKnowIsReadAsFarAsItGoes() {
        file.writeText("""{"v":1,"reach":"deep","later":{"a":1},"apps":{"com.a":"block","com.b":"later"}}""")
        assertEquals(OwnerSettings(reach = Reach.DEEP, apps = mapOf("com.a" to AppSetting.BLOCK)), SettingsStore(file).now)
    }

    @Test
    fun aFileThatCannotBeReadIsKeptAside() {
        for (bad in listOf("", "no settings", "{\"v\":2}", "{\"v\":1,\"max_bytes\":-1}", "{\"v\":1,\"resolvers\":[\"dns.example\"]}")) {
            file.writeText(bad)
            val store = SettingsStore(file)
            assertEquals(OwnerSettings(), store.now)
            assertEquals(bad, checkNotNull(store.putAside).readText())
            store.update { it.copy(hideValues = true) }
            assertTrue(SettingsStore(file).now.hideValues)
            assertNull(SettingsStore(file).putAside)
        }
    }

    @Test
    fun aWriteThatWasCutShortLeavesWhatWasThere() {
        SettingsStore(file).update { chosen }
        File(file.path + ".new").writeText("{\"v\":1,\"rea")
        assertEquals(chosen, SettingsStore(file).now)
    }

    /** A log that the first version of the store wrote, kept by the core's tests. */
    @Test
    fun anUpgradeKeepsTheLogAndTheChoices() {
        File("../rust-core/tests/data/db/v1.db").copyTo(graph.db, overwrite = true)
        JSONObject(old.readText()).put("retention_days", 0).put("wanted", false).put("hide_values", false).let {
            file.writeText(it.toString())
        }
        val real = RealGraph(app)
        MuzzleApp.makeGraph = { real }
        val written = File("../rust-core/tests/data/db/v1.jsonl").readLines().size
        assertEquals(written, real.core.events(Filter(), limit = 1000).size)
        val main = open<MainActivity>().get()
        tap(main, "Timeline")
        scrollTo(main, "https://a.example/")
        assertEquals(chosen.apps, real.settings.now.apps)
        real.core.close()
    }

    private fun answered(
        screen: SettingsActivity,
        button: String,
        documents: Documents,
    ): Intent {
        tap(screen, button)
        val asked = shadowOf(screen).nextStartedActivityForResult.intent
        shadowOf(screen).receiveResult(asked, Activity.RESULT_OK, Intent().setData(documents.document))
        settle()
        return asked
    }

    @Test
    fun aBackupGoesToAFileAndComesBack() {
        graph.settings.update { chosen }
        val documents = Documents.with(File.createTempFile("backup", ".json"))
        val saved = answered(open<SettingsActivity>().get(), "Save", documents)
        assertEquals(Intent.ACTION_CREATE_DOCUMENT to "application/json", saved.action to saved.type)
        assertEquals("Settings saved", ShadowToast.getTextOfLatestToast())
        graph.settings.update { OwnerSettings(firstRunDone = true) }
        val restored = answered(open<SettingsActivity>().get(), "Restore", documents)
        assertEquals(Intent.ACTION_OPEN_DOCUMENT, restored.action)
        assertEquals("Settings restored", ShadowToast.getTextOfLatestToast())
        val here = chosen.copy(wanted = false, pausedUntil = null, dismissed = emptySet())
        assertEquals("whether it runs is this phone's own business", here, graph.settings.now)
    }

    @Test
    fun aBackupThatCannotBeReadOrWrittenChangesNothing() {
        graph.settings.update { chosen }
        val documents = Documents.with(File.createTempFile("photo", ".jpg").also { it.writeText("no settings") })
        val screen = open<SettingsActivity>().get()
        answered(screen, "Restore", documents)
        assertEquals("This file is not a backup of Muzzle. Nothing was changed.", ShadowToast.getTextOfLatestToast())
        assertEquals(chosen, graph.settings.now)
    }

    @Test
    fun aBackupThatDoesNotFitLeavesNoFile() {
        graph.settings.update { chosen }
        val full = File(Files.createTempDirectory("documents").toFile(), "full")
        val documents = Documents.with(full)
        val screen = open<SettingsActivity>().get()
        for (deletes in listOf(true, false)) {
            Files.createSymbolicLink(full.toPath(), File("/dev/full").toPath())
            documents.deletes = deletes
            answered(screen, "Save", documents)
            assertEquals(if (deletes) NOT_SAVED else LEFT, ShadowToast.getTextOfLatestToast())
            assertEquals(!deletes, Files.isSymbolicLink(full.toPath()))
        }
    }

    @Test
    fun aBackupWhoseKeeperGivesUpHalfwayLeavesNoFile() {
        graph.settings.update { chosen }
        val file = File.createTempFile("backup", ".json")
        val documents = Documents.with(file)
        val written = file.outputStream()
        val breaks =
            object : OutputStream() {
                override fun write(byte: Int) {
                    if (file.length() == HALF) throw IOException("the connection to the cloud is gone")
                    written.write(byte)
                }
            }
        shadowOf(app.contentResolver).registerOutputStream(documents.document, breaks)
        answered(open<SettingsActivity>().get(), "Save", documents)
        assertEquals(HALF, written.channel.position())
        assertEquals(NOT_SAVED, ShadowToast.getTextOfLatestToast())
        assertFalse(file.exists())
    }

    private companion object {
        /** Bytes. */
        const val HALF = 400L
        const val NOT_SAVED = "The settings were not saved, and no file was left behind. Choose another place, or free some space."
        const val LEFT = "The settings were not saved whole, and the file could not be removed. Delete it in the place that you chose."
    }
}
