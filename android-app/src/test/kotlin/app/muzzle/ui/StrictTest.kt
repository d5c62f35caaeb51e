@file:Suppress("DEPRECATION")

package app.muzzle.ui

import android.os.StrictMode
import android.widget.EditText
import android.widget.ListView
import app.muzzle.R
import app.muzzle.TestGraph
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import java.security.Permission

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
        assertThrows(RuntimeException::class.java) { strictly { core.store() } }
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

    /** The list of screens itself asks the core. */
    private fun everyScreenInBackground(name: String) =
        java.util.concurrent.CompletableFuture.supplyAsync { everyScreen().getValue(name) }.get()

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
