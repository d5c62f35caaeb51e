package app.muzzle.whole

import android.Manifest
import android.app.Activity
import android.app.Application
import android.net.LinkProperties
import android.view.View
import app.muzzle.Graph
import app.muzzle.MuzzleApp
import app.muzzle.core.Core
import app.muzzle.core.Verdict
import app.muzzle.install
import app.muzzle.service.MuzzleService
import app.muzzle.service.ProtectionState
import app.muzzle.service.connectivity
import app.muzzle.service.snapshot
import app.muzzle.system.SystemOwners
import app.muzzle.system.SystemTun
import app.muzzle.ui.MainActivity
import app.muzzle.ui.ScreenTest
import app.muzzle.ui.find
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ServiceController
import org.robolectric.shadows.ShadowVpnService
import java.io.ByteArrayOutputStream
import java.io.File
import java.net.InetAddress
import java.net.URLEncoder
import java.time.Clock
import java.time.Duration
import java.util.Base64
import java.util.zip.GZIPOutputStream

/** The lab's phone: the whole app with its own threads, real packets of real clients, a collector that counts. */
abstract class Phone : ScreenTest() {
    protected val app: Application = RuntimeEnvironment.getApplication()
    protected lateinit var real: Graph
    protected lateinit var service: ServiceController<MuzzleService>
    private val collected = File(System.getProperty("muzzle.collected")!!)

    /** How far behind the core's clock that of the app's screens is. */
    protected var behind: Duration = Duration.ZERO

    private inner class RealClock(
        app: Application,
    ) : Graph(app) {
        override val clock: Clock get() = Clock.offset(Clock.systemUTC(), behind.negated())
    }

    override fun makeGraph() {
        real = RealClock(app)
        MuzzleApp.makeGraph = { real }
        ShadowVpnService.setPrepareResult(null)
        shadowOf(app).grantPermissions(Manifest.permission.POST_NOTIFICATIONS)
        install(app, BROWSER, BROWSER_UID, "Mi Browser")
        install(app, BANK, BANK_UID, "Bank")
        val tuns = LabTuns(mapOf(BROWSER to BROWSER_UID, BANK to BANK_UID, app.packageName to 0))
        SystemTun.asked.clear()
        SystemTun.next = tuns::give
        SystemOwners.silent = false
        real.settings.update { it.copy(firstRunDone = true) }
        qualifiers("w411dp-h1600dp-port-xhdpi")
    }

    override fun closeGraph() {
        if (real.protection.state != ProtectionState.Off) real.protection.stop()
        eventually("the end of protection") { core.snapshot().getJSONObject("plane").getString("state") == "detached" }
        core.close()
    }

    protected val core: Core get() = real.core

    override fun told() = "${real.protection.state}, ${core.snapshot()}"

    /** The app's own threads tell nobody; what they do is waited for by name. */
    override val busy get() = false

    protected fun untilShown(
        main: Activity,
        vararg words: String,
    ) = eventually("${words.toList()} in ${texts(main)}") { texts(main).let { shown -> words.all { word -> shown.any { word in it } } } }

    /** Opens a tab until it shows this: a page reads when it is opened. */
    protected fun untilTab(
        main: MainActivity,
        tab: Int,
        vararg words: String,
    ) = eventually("${words.toList()} in ${texts(main)}") {
        main.find<View>(tab).performClick()
        Thread.sleep(TURN_MS)
        settle()
        texts(main).let { shown -> words.all { word -> shown.any { word in it } } }
    }

    /** The owner turns protection on at the home screen. */
    protected fun turnOn(): MainActivity {
        val main = open<MainActivity>().get()
        tap(main, "Turn on")
        val intent = checkNotNull(shadowOf(app).nextStartedService)
        service = Robolectric.buildService(MuzzleService::class.java, intent).create().startCommand(0, 1)
        network(System.getProperty("muzzle.resolver")!!)
        untilShown(main, "Protected")
        return main
    }

    /** The network tells its resolver. */
    protected fun network(resolver: String) {
        val network = LinkProperties()
        network.setDnsServers(listOf(InetAddress.getByName(resolver)))
        for (callback in shadowOf(app.connectivity).networkCallbacks) {
            callback.onLinkPropertiesChanged(checkNotNull(app.connectivity.activeNetwork), network)
        }
    }

    protected fun untilItIs(verdict: Verdict) =
        eventually("$verdict") { core.host(HOST, BROWSER_UID).decision?.verdict == verdict }

    /** Connections that reached the collector. */
    protected fun connections() = if (collected.exists()) collected.readLines().count { "\"what\": \"open\"" in it } else 0

    /** Starts curl as an app. */
    protected fun curl(
        uid: Int,
        vararg words: String,
        into: String = "/dev/null",
    ): Process {
        val user = listOf("setpriv", "--reuid=$uid", "--regid=$uid", "--clear-groups", "--no-new-privs", "--")
        val curl = listOf("curl", "--silent", "--show-error", "--fail", "--max-time", "60", "--output", into)
        return ProcessBuilder(user + curl + words).inheritIO().start()
    }

    /** Reports a page as the browser's statistics do. Gives curl's exit code. */
    protected fun report(page: String) = curl(BROWSER_UID, "--data", sensors(page), "http://$HOST/sa?project=x").waitFor()

    protected fun sensors(page: String): String {
        val event =
            """[{"type":"track","event":"page_load_event_finish","distinct_id":"abc","time":1763712000000,""" +
                """"lib":{"${'$'}lib":"python","${'$'}lib_version":"1"},"properties":{"url":"https://news.example/$page"}}]"""
        val packed = ByteArrayOutputStream().also { out -> GZIPOutputStream(out).use { it.write(event.toByteArray()) } }
        return "gzip=1&data_list=" + URLEncoder.encode(Base64.getEncoder().encodeToString(packed.toByteArray()), "UTF-8")
    }

    protected companion object {
        const val BROWSER = "com.mi.globalbrowser"
        const val BROWSER_UID = 10_101
        const val BANK = "com.example.bank"
        const val BANK_UID = 10_103
        const val HOST = "sa.api.intl.miui.com"

        /** Nobody let it connect. */
        const val REFUSED = 7
        private const val TURN_MS = 50L
    }
}
