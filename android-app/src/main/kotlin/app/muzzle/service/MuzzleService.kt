package app.muzzle.service

import android.app.PendingIntent
import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.content.pm.PackageManager
import android.net.VpnService
import android.os.Handler
import android.os.Looper
import android.os.PowerManager
import android.util.Log
import app.muzzle.R
import app.muzzle.core.Reach
import app.muzzle.graph
import app.muzzle.ui.MainActivity
import java.net.InetAddress

/** The VPN. What to do is decided by [ServiceProtection]; this is what only a service can do. */
class MuzzleService :
    VpnService(),
    Tunnels {
    private val guard by lazy { graph.guard }
    private val notices by lazy { Notices(this) }
    private val handler = Handler(Looper.getMainLooper())
    private val tick = Runnable { everyMinute() }
    private val networks by lazy { Networks(this, { guard.networkChanged(it) }, { guard.networkLost() }) }
    private val changed: (ProtectionState) -> Unit = { refresh() }
    private var ended = false
    private var stoppedToday: Long? = null

    private val broadcasts =
        object : BroadcastReceiver() {
            override fun onReceive(
                context: Context,
                intent: Intent,
            ) {
                if (intent.action == Intent.ACTION_SHUTDOWN) return guard.shuttingDown()
                intent.data?.schemeSpecificPart?.let(guard::packageChanged)
            }
        }

    override fun onCreate() {
        super.onCreate()
        networks.watch(handler)
        val packages = IntentFilter(Intent.ACTION_PACKAGE_ADDED)
        packages.addAction(Intent.ACTION_PACKAGE_REMOVED)
        packages.addDataScheme("package")
        registerReceiver(broadcasts, packages)
        registerReceiver(broadcasts, IntentFilter(Intent.ACTION_SHUTDOWN))
        guard.listen(changed)
    }

    override fun onStartCommand(
        intent: Intent?,
        flags: Int,
        startId: Int,
    ): Int {
        // The system ends whoever does not show a notification within seconds of a start.
        notices.startForeground(this, guard.state, stoppedToday)
        when (intent?.action) {
            ACTION_PAUSE -> guard.pause(PAUSE_MINUTES)
            ACTION_RESUME -> guard.resume()
            ACTION_STOP -> guard.stop()
            else -> guard.serviceUp(this, bySystem = intent?.action == SERVICE_INTERFACE)
        }
        handler.removeCallbacks(tick)
        if (!ended) everyMinute()
        return START_STICKY
    }

    override fun onRevoke() = guard.revoked()

    override fun onDestroy() {
        ended = true
        handler.removeCallbacks(tick)
        guard.forget(changed)
        unregisterReceiver(broadcasts)
        networks.unwatch()
        guard.serviceGone(this)
        super.onDestroy()
    }

    override fun establish(plan: Plan): Int? {
        val builder = Builder()
        builder.setSession(getString(R.string.app_name)).setMtu(MTU).setBlocking(false)
        builder.setUnderlyingNetworks(null)
        builder.setConfigureIntent(PendingIntent.getActivity(this, 0, Intent(this, MainActivity::class.java), IMMUTABLE))
        for ((address, prefix) in ADDRESSES) builder.addAddress(numeric(address), prefix)
        for (resolver in RESOLVERS) builder.addDnsServer(numeric(resolver))
        for ((network, prefix) in routes(plan.reach)) builder.addRoute(numeric(network), prefix)
        if (NewerApi.hasMetered) NewerApi.followMetered(builder)
        builder.choose(plan)
        return builder.establish()?.detachFd()
    }

    override fun end() {
        ended = true
        handler.removeCallbacks(tick)
        stopForeground(STOP_FOREGROUND_REMOVE)
        stopSelf()
    }

    /** The core's own sockets must not come back into the VPN: our package stays outside. */
    private fun Builder.choose(plan: Plan) {
        val only = plan.only
        if (only != null) {
            only.forEach { known(it) { name -> addAllowedApplication(name) } }
        } else {
            (plan.except + packageName).forEach { known(it) { name -> addDisallowedApplication(name) } }
        }
    }

    /** An app that was removed since it was chosen is none. */
    private fun known(
        name: String,
        choose: (String) -> Unit,
    ) = try {
        choose(name)
    } catch (_: PackageManager.NameNotFoundException) {
        Log.d("muzzle", "a chosen app is not installed")
    }

    private fun everyMinute() {
        guard.tick()
        if (getSystemService(PowerManager::class.java)?.isInteractive != false || stoppedToday == null) count()
        handler.postDelayed(tick, MINUTE_MS)
    }

    private fun count() {
        graph.work.run({ stoppedToday(graph) }) { result ->
            result.onSuccess {
                if (it != stoppedToday) {
                    stoppedToday = it
                    refresh()
                }
            }
        }
    }

    private fun refresh() {
        MuzzleTile.refresh(this)
        if (!ended) notices.running(guard.state, stoppedToday)
    }

    companion object {
        const val ACTION_PAUSE = "app.muzzle.PAUSE"
        const val ACTION_RESUME = "app.muzzle.RESUME"
        const val ACTION_STOP = "app.muzzle.STOP"
        const val PAUSE_MINUTES = 15
        private const val MINUTE_MS = 60_000L
        private const val MTU = 9000
        private const val IMMUTABLE = PendingIntent.FLAG_IMMUTABLE

        // What docs/jni.md says of the TUN.
        private val ADDRESSES = listOf("198.18.0.1" to 15, "fd6d:757a:7a6c::1" to 48)
        private val RESOLVERS = listOf("198.18.0.2", "fd6d:757a:7a6c::2")

        /** Of an address in figures: nobody is asked. */
        private fun numeric(address: String): InetAddress = InetAddress.getByName(address)

        private fun routes(reach: Reach) =
            when (reach) {
                Reach.LIGHT -> listOf("198.18.0.0" to 15, "fd6d:757a:7a6c::" to 48)
                Reach.DEEP -> listOf("0.0.0.0" to 0, "::" to 0)
            }
    }
}
