package app.muzzle

import android.app.Application
import android.content.Context
import app.muzzle.apps.InstalledApps
import app.muzzle.core.Core
import app.muzzle.core.CoreException
import app.muzzle.core.LogFiles
import app.muzzle.core.NativeCore
import app.muzzle.core.OpenConfig
import app.muzzle.core.ServerTable
import app.muzzle.core.Work
import app.muzzle.lists.ListImports
import app.muzzle.service.Protection
import app.muzzle.service.ServiceProtection
import app.muzzle.service.SystemUpcalls
import app.muzzle.settings.PolicyWarnings
import app.muzzle.settings.SettingsStore
import java.io.File
import java.net.URL
import java.net.URLConnection
import java.time.Clock
import java.util.concurrent.Executor

/** The process. Holds the one [Graph]. */
class MuzzleApp : Application() {
    val graph by lazy { makeGraph(this) }

    companion object {
        /** Tests put their own parts here. */
        var makeGraph: (Application) -> Graph = ::Graph
    }
}

val Context.graph get() = (applicationContext as MuzzleApp).graph

/** The parts of the app, wired by hand. Nothing is made before it is asked for. */
open class Graph(
    private val app: Application,
) {
    open val clock: Clock = Clock.systemDefaultZone()
    open val work by lazy { Work() }

    /** For what waits for somebody else: the net, or where a document is kept. */
    open val apart by lazy { Work.apart() }

    /** Runs what waits for events: a thread for each screen that shows them. */
    open val watching = Executor { Thread(it, "watch").apply { isDaemon = true }.start() }
    open val settings by lazy { SettingsStore(File(app.filesDir, "settings.json")) }
    val warnings = PolicyWarnings()
    open val apps by lazy { InstalledApps(app.packageManager, app.packageName) }
    open val upcalls: NativeCore.Upcalls by lazy { SystemUpcalls(app) { guard.coreEnded() } }

    /** What the service works for. The first to ask, on the main thread, takes up what was wanted before. */
    open val guard by lazy { ServiceProtection(app, this) }
    open val protection: Protection get() = guard

    /** From here on protection listens to the owner's choices. */
    fun wake(): Protection = protection

    private val db by lazy { File(app.filesDir, "muzzle.db") }

    /** For lists that the owner names by their addresses. */
    open val connect: (URL) -> URLConnection = URL::openConnection
    val imports by lazy { ListImports(apart, { connect(it) }, { core }, app::getCacheDir) }
    val logFiles by lazy { LogFiles(db) }

    /**
     * Throws [CoreException] each time it is asked for and cannot be opened. A log that cannot be read is put
     * aside and a new one begun: protection must not wait for it. Reads the disk.
     */
    open val core: Core get() = synchronized(this) { opened ?: openOrBegin().also { opened = it } }
    private var opened: Core? = null

    /** Empties the log for good, also one that cannot be opened, and deletes those put aside. Reads the disk. */
    fun wipe() =
        synchronized(this) {
            try {
                core.wipe()
            } catch (e: CoreException) {
                if (e.code !in LogFiles.UNREADABLE && e.code != "store-newer") throw e
                beginAnew()
            }
            logFiles.deleteDamaged()
        }

    private fun beginAnew() {
        opened?.close()
        opened = null
        logFiles.delete()
        opened = openLog()
        guard.coreReplaced()
    }

    private fun openOrBegin(): Core =
        try {
            openLog()
        } catch (e: CoreException) {
            if (e.code !in LogFiles.UNREADABLE) throw e
            logFiles.putAside(clock.millis())
            openLog()
        }

    private fun openLog() =
        Core.open(
            OpenConfig(
                db.path,
                app.cacheDir.path,
                File(app.filesDir, "lists").path,
                android.os.Build.VERSION.SDK_INT,
                settings.now.retentionDays,
                settings.now.maxBytes,
                debug = false,
                servers = ServerTable.file(app)?.path,
            ),
            upcalls,
        )
}
