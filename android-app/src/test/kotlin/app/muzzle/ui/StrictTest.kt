@file:Suppress("DEPRECATION")

package app.muzzle.ui

import android.content.Intent
import android.os.StrictMode
import android.widget.EditText
import android.widget.ListView
import app.muzzle.MuzzleApp
import app.muzzle.R
import app.muzzle.TestGraph
import app.muzzle.core.Core
import app.muzzle.core.Reach
import app.muzzle.service.MuzzleService
import app.muzzle.service.ProtectionState
import app.muzzle.service.RealGraph
import app.muzzle.service.pipe
import app.muzzle.service.plane
import app.muzzle.settings.AppSetting
import app.muzzle.system.SystemTun
import org.json.JSONObject
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import java.io.File
import java.security.Permission
import java.util.concurrent.CompletableFuture

/**
 * No screen reads or writes the disk, or asks the core, on the main thread. StrictMode is told by our own
 * code where it does so; what Java's files do, which StrictMode does not see on a JVM, the guard sees.
 */
class StrictTest : ScreenTest() {
    private val policy = StrictMode.getThreadPolicy()
    private lateinit var guard: DiskGuard

    @Before
    fun beStrict() {
        use { TestGraph(it, threads = true) }
        // Read once as the process starts: the first frame is light or dark by it.
        graph.settings
        guard = DiskGuard(Thread.currentThread(), graph.db.parentFile!!.parentFile!!.path)
    }

    @After
    fun relent() {
        StrictMode.setThreadPolicy(policy)
        System.setSecurityManager(null)
    }

    private fun strictly(act: () -> Unit) {
        StrictMode.setThreadPolicy(
            StrictMode.ThreadPolicy
                .Builder()
                .detectDiskReads()
                .detectDiskWrites()
                .detectNetwork()
                .detectCustomSlowCalls()
                .penaltyDeath()
                .build(),
        )
        System.setSecurityManager(guard)
        try {
            act()
        } finally {
            System.setSecurityManager(null)
            StrictMode.setThreadPolicy(policy)
        }
        assertEquals(emptyList<String>(), guard.seen)
    }

    @Test
    fun theGuardsSeeWhatIsDoneOnTheMainThread() {
        val core = graph.core
        val natives: List<() -> Any> =
            listOf(core::store, core::storeState, core::flush, core::detachTun, Core::version, core::close) +
                { core.setPolicy(JSONObject()) } + { core.networkChanged(emptyList()) } + { core.attachTun(-1, Reach.LIGHT, emptyList()) }
        for (native in natives) assertThrows(RuntimeException::class.java) { strictly { native() } }
        assertThrows(RuntimeException::class.java) { strictly { graph.apps.all() } }
        assertThrows(RuntimeException::class.java) { strictly { graph.settings.update { it.copy(retentionDays = 2) } } }
        assertThrows(AssertionError::class.java) { strictly { graph.db.readBytes() } }
    }

    @Test
    fun everyScreenOpensAndComesBack() {
        val screens = everyScreen()
        strictly {
            for (intent in screens.values) {
                val controller = at(intent)
                assertTrue(intent.toString(), texts(controller.get()).size > 1)
                controller.pause().resume()
                settle()
                controller.pause().stop().destroy()
            }
        }
    }

    @Test
    fun theTabsAndTheirControlsWait() =
        strictly {
            val main = open<MainActivity>().get()
            tap(main, "Apps")
            tap(main, "All")
            scrollTo(main, "com.mi.globalbrowser")
            tapIn(row(main, "com.mi.globalbrowser"), "Record")
            tap(main, "Undo")
            tap(main, "Timeline")
            main.find<ListView>(R.id.list).setSelection(90)
            settle()
            tap(main, "Kind")
            choose("search")
            main.find<EditText>(R.id.search).setText("weather")
            settle()
            tap(main, "Hosts")
            scrollTo(main, "Usage statistics")
            tapIn(row(main, "Usage statistics"), "Allow")
            tap(main, "Undo")
            tap(main, "Home")
            tap(main, "Hide")
            tap(main, "Turn on")
            tap(main, "Pause 15 min")
        }

    @Test
    fun theSettingsWait() =
        strictly {
            val settings = open<SettingsActivity>().get()
            for (choice in listOf("30 days", "Dark")) tap(settings, choice)
            val lists = open<ListsActivity>().get()
            tap(lists, visible(lists.window.decorView).filterIsInstance<android.widget.Switch>().first().text.toString())
            tap(lists, "Undo")
            val event = at(everyScreenInBackground("event")).get()
            tap(event, "Block this host")
            tap(event, "JSON")
        }

    @Test
    fun onlyTheCoreObjectCallsNatives() {
        val callers = File("src/main/kotlin").walk().filter { it.isFile && NATIVE.containsMatchIn(it.readText()) }
        assertEquals(listOf("Core.kt"), callers.map { it.name }.toList())
    }

    @Test
    fun theServiceStartsObeysAndEnds() {
        val app = RuntimeEnvironment.getApplication()
        val real = RealGraph(app, threads = true)
        MuzzleApp.makeGraph = { real }
        SystemTun.next = { pipe() }
        real.wake()
        strictly {
            real.protection.start()
            val service = Robolectric.buildService(MuzzleService::class.java, shadowOf(app).nextStartedService).create().startCommand(0, 1)
            eventually("protection") { real.protection.state is ProtectionState.On }
            real.guard.networkChanged(listOf("192.0.2.53"))
            CompletableFuture.runAsync { real.settings.update { it.copy(reach = Reach.DEEP, default = AppSetting.RECORD) } }.get()
            service.get().onStartCommand(Intent(MuzzleService.ACTION_PAUSE), 0, 2)
            eventually("a pause") { real.protection.state is ProtectionState.Paused }
            service.get().onStartCommand(Intent(MuzzleService.ACTION_STOP), 0, 3)
            eventually("the end") { real.protection.state == ProtectionState.Off }
        }
        eventually("no TUN") { real.core.plane() == "detached" }
        real.core.close()
    }

    /** The list of screens itself asks the core. */
    private fun everyScreenInBackground(name: String) =
        CompletableFuture.supplyAsync { everyScreen().getValue(name) }.get()

    private companion object {
        /** A call, and none of its types. */
        val NATIVE = Regex("""NativeCore\.[a-z]\w*\(""")
    }

    private class DiskGuard(
        private val main: Thread,
        private val under: String,
    ) : SecurityManager() {
        val seen = mutableListOf<String>()

        override fun checkPermission(permission: Permission) = Unit

        override fun checkRead(file: String) = note("reads", file)

        override fun checkWrite(file: String) = note("writes", file)

        override fun checkDelete(file: String) = note("deletes", file)

        private fun note(
            what: String,
            file: String,
        ) {
            if (Thread.currentThread() !== main || !file.startsWith(under)) return
            val where =
                Throwable().stackTrace.firstOrNull {
                    it.className.startsWith("app.muzzle.") && "Test" !in it.className &&
                        "DiskGuard" !in it.className
                }
            seen += "$what $file: $where"
        }
    }
}
